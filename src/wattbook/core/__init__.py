"""The pure middle: Polars frames in, Polars frames out; no clock, no log, no I/O."""
