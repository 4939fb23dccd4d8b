"""The composition root: from settings to stores, and from these to a runtime."""
