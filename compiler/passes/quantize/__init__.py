"""From a real-valued network to integers with scales."""
