"""Processes that work on jobs beside the service."""
