"""Files that other programs read."""

from wattbook.sinks.files.tree import Tree

__all__ = ["Tree"]
