"""The HTTP door: translate in, call one flow, translate out."""
