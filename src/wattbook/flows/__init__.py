"""The journeys: each reads, computes in the core, and writes."""
