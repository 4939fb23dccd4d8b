"""Emission factors, and the emissions of energy drawn from a grid."""
