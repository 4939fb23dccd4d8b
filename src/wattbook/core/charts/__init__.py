"""Charts: geometry as pure functions from figures to SVG, the same for screen and paper."""
