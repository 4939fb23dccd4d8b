"""Where readings come from: bytes and files become raw frames."""
