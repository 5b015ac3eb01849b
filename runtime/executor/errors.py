"""The one error of the executor."""

from __future__ import annotations


class ExecutionError(Exception):
    """PTX text that is not understood, or a launch that went wrong: says where and why."""
