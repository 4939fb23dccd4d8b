"""How servers are spoken to that are both read from and written to, and nothing about readings."""
