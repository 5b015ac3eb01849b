"""A machine that executes PTX text on the CPU.

Each instruction is translated to LLVM IR and compiled; a scheduler, compiled too, runs all threads of a
grid in an order permuted by a seed.  Every access is checked.  It shares nothing with what emits the text.
"""

from spikec.runtime.executor.errors import ExecutionError
from spikec.runtime.executor.kernel import Kernel, Module
from spikec.runtime.executor.machine import Machine

__all__ = ["ExecutionError", "Kernel", "Machine", "Module"]
