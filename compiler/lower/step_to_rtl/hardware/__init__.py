"""The modules of a circuit: cores, encoders, queues, generators, and the top."""
