"""Routes, one module for each word."""
