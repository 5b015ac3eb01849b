"""The equations of neurons in vectors, and the random numbers that they draw."""
