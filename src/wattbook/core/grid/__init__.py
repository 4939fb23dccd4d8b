"""Grid zones and the rows about them: prices, intensities, loads."""
