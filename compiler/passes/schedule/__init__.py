"""When and where each op of a timestep runs."""
