"""What arrives at neurons: one file for each storage format of synapses, and for sums that are made ahead."""
