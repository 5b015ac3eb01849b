"""Names of the parts of a circuit."""

from __future__ import annotations

import re


def plain(name: str) -> str:
    """A name of letters, digits and underscores."""
    return re.sub(r"\W", "_", name)
