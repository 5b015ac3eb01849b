"""Writes cells.csv, chem.csv and gap.csv: the 302 neurons of the hermaphrodite and their synapses.

The tables are those of Cook et al. (Nature 571:63, 2019), corrected in July 2020, as the package `cect` (the C. elegans
Connectome Toolbox) reads them. A weight is the number of electron micrograph sections in which a contact is seen. The
matrix of gap junctions is symmetric, so that each junction stands in gap.csv once for each direction.

    python wiring.py [FOLDER]
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
EXCITES_MV, INHIBITS_MV = 0, -70
# The 26 cells with GABA (McIntire et al., Nature 364:337, 1993), by the first letters of their names.
GABAERGIC = ("DD", "VD", "RME", "RIS", "AVL", "DVB")
# Touch cells inhibit through chemical synapses and excite through gap junctions (Chalfie et al., J. Neurosci. 5:956,
# 1985).
TOUCH = ("ALM", "AVM", "PLM")

Row = tuple[str, str, int]


def cells() -> list[str]:
    """The names of the 302 neurons."""
    return list(_cect("cect.Cells").PREFERRED_HERM_NEURON_NAMES)


def edges(kind: str, names: Sequence[str]) -> list[Row]:
    """Pairs of neurons and their sections, row by row; `kind` is "Generic_CS" (chemical) or "Generic_GJ" (gap)."""
    dataset = _cect("cect.readers.Cook2019HermReader").get_instance(from_cache=True)
    places = [dataset.nodes.index(name) for name in names]
    matrix: npt.NDArray[Any] = np.asarray(dataset.connections[kind])[np.ix_(places, places)].astype(int)
    return [(names[pre], names[post], int(matrix[pre, post])) for pre, post in np.argwhere(matrix).tolist()]


def reversal_mv(name: str) -> int:
    """Where the chemical synapses of a neuron draw the potential of others."""
    return INHIBITS_MV if name.startswith((*GABAERGIC, *TOUCH)) else EXCITES_MV


def write(folder: Path) -> None:
    names = cells()
    _table(folder / "cells.csv", ("name",), ((name,) for name in names))
    chemical = ((pre, post, count, reversal_mv(pre) * 1e-3) for pre, post, count in edges("Generic_CS", names))
    _table(folder / "chem.csv", ("pre", "post", "weight", "E"), chemical)
    _table(folder / "gap.csv", ("pre", "post", "weight"), edges("Generic_GJ", names))


def _table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _cect(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        sys.exit("wiring.py reads its tables from the package 'cect': pip install cect")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
