"""Bodies and answers, as they are sent: one description for every entry point."""
