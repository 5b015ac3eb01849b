"""The reference interpreters of both levels, in numpy: what they compute is what a program means.

They are plain and slow, vectorised over neurons alone, and share no code with any lowering.
`engine` has the two engines, `network` and `machine` the ops of the two dialects, `blocks` runs
straight-line MLIR, `arithmetic`, `elementary` and `tensors` have the upstream ops.
"""
