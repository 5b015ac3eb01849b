"""On a terminal: which outside tool is at work, and for how long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


@contextmanager
def shown() -> Iterator[None]:
    """Shows the tool that was logged last."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    log = logging.getLogger("spikec.tools")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        latest = _Latest(lambda tool: bar.add_task(tool), bar.remove_task)
        log.addHandler(latest)
        log.setLevel(logging.INFO)
        try:
            yield
        finally:
            log.removeHandler(latest)
            log.setLevel(logging.NOTSET)


class _Latest(logging.Handler):
    """Shows the latest message that was logged, in place of the one before it."""

    def __init__(self, show: Callable[[str], TaskID], hide: Callable[[TaskID], None]) -> None:
        super().__init__()
        self._show, self._hide = show, hide
        self._shown: TaskID | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._shown is not None:
            self._hide(self._shown)
        self._shown = self._show(record.getMessage())
