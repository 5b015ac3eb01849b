"""The time loop for several workers: their shares, their tasks, and where they wait for each other."""
