"""Numbers of bytes: how many an array may take before it is asked for, and how people write and read them."""

from __future__ import annotations

import os
import re


def limit() -> int:
    """Bytes: half of the machine's memory, or 8 GB where it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return 8 << 30


_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(|KB|MB|GB|B)", re.IGNORECASE)


def bytes_of(text: str) -> int:
    """The number of bytes of a text such as 24KB (of 1024 bytes), 1.5MB or 3000.  Raises ValueError."""
    found = _BYTES.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is no number of bytes; write 3000, 24KB or 1.5MB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def shown(size: int) -> str:
    """A number of bytes for people: `3.2 MB`."""
    if size < 1000:
        return f"{size} bytes"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 1000 or unit == "TB":
            break
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
