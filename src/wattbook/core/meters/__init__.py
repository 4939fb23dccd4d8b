"""When meters are there, and how long the intervals of their readings are."""
