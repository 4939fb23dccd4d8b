"""What energy costs: charges, demand, bills."""
