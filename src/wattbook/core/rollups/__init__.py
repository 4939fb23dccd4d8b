"""Energy and statistics by bucket, and the figures that are computed from them."""
