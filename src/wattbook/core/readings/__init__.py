"""From rows as they were sent to readings, and from readings to spans of energy."""
