"""Trained networks of activations from ONNX files.

file     reads a file that nobody vouches for
graph    a graph as data, and how mistakes are told
windows  the windows of convolutions and poolings
emit     the program at level `snn`
load     all of it in one page
"""
