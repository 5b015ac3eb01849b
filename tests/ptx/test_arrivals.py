"""Propagations by the threads of the targets: the interpreter's bits and counts in every form, under every schedule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.lower import snn_to_step
from tests.cpu.conftest import TYPES, Net, equal, interface_of
from tests.cpu.test_windows import KINDS, layer
from tests.programs.engines import ENGINES, differences
from tests.programs.test_delays import PROJECTIONS, STEPS, folder, inputs, written  # noqa: F401
from tests.ptx.emulated import Emulated
