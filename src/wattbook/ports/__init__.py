"""What the flows need from the outside, in the words of the domain."""
