"""Where data goes when it leaves."""
