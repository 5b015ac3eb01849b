"""A pass and a target for spikec."""
