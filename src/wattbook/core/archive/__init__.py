"""What stores keep, in a form that can be compared, exported and hashed."""
