"""This machine as LLVM names it.

LLVM is slow to load, and a network from the cache needs nothing else of it: what it said of a processor is kept there.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from spikec.backends import llvm
from spikec.runtime.cache import Cache, key

Host = tuple[str, str, str]
PROCESSORS = Path("/proc/cpuinfo")
# What Linux tells of the first processor and does not change from one moment to the next.
KINDS_X86 = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")
KINDS_ARM = ("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features")
KINDS = frozenset((*KINDS_X86, *KINDS_ARM))


@functools.cache
def host() -> Host:
    """Triple, processor and features of this machine."""
    processor = _processor()
    if processor is None:
        return _asked()
    store, name = Cache(), key("host", llvm.version(), processor)
    entry = store.find(name)
    if entry is not None and "host" in entry.head:
        triple, cpu, features = entry.head["host"]
        return triple, cpu, features
    found = _asked()
    store.store(name, {"host": found}, {})
    return found


def _asked() -> Host:
    binding = llvm.binding()
    return binding.get_process_triple(), binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


def _processor() -> str | None:
    """What differs where LLVM may say something else; None on systems that do not tell it."""
    lines = []
    try:
        with PROCESSORS.open() as stream:
            for line in stream:
                if not line.strip():
                    break
                lines.append(line)
    except OSError:
        return None
    told = [line for line in lines if line.partition(":")[0].strip() in KINDS]
    return "".join([os.uname().machine, str(sys.maxsize), *told]) if told else None
