"""The figures of a report: of one site, of several, and compared with another period."""
