"""What is unusual in the figures of a meter, why it may be so, and what it comes to."""
