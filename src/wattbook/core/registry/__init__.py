"""Things that are registered: sites, meters, tariffs, and what they were at an instant."""
