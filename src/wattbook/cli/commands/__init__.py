"""Every command: its options, and the one call behind it. Quick to import."""
