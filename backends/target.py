"""What a compiled program can be made for: `Target` and the table of targets.

A target is its limits as fields, which passes and lowerings read, plus one `emit`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from spikec.backends.cpu.target import CpuTarget
from spikec.dialects.constants import Array
from spikec.runtime.interface import Interface


class Target(Protocol):
    """`name` is what the user wrote (`cpu`, `cpu:aarch64-linux-gnu`); `kinds` are what `emit` can make."""

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> tuple[str, ...]: ...

    def emit(
        self, module: Any, kinds: Collection[str], constants: Mapping[str, Array], interface: Interface
    ) -> dict[str, bytes]:
        """The wanted files by kind; raises `MissingTool` where an outside tool is needed and absent."""


TARGETS: Mapping[str, Callable[[str], Target]] = {"cpu": CpuTarget.parse}
"""By the word before the colon: a function from the whole text to the target; it raises `UsageError`."""
