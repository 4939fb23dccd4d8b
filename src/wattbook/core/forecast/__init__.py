"""What a load or a hash rate will be, and how sure that is."""
