"""What a core computes: exact integers, their ranges, and the passes over its elements."""
