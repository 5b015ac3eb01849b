"""A step as elements that are updated one by one and synapses between them: what cores can do."""
