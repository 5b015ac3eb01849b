"""`import`: files of one's own and the library, as scopes of their own, and what is wrong with an import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.frontend.build import build
from spikec.frontend.parse import parse, read_source

CELL = "neuron Cell(gain = 2.0) { in I; out gain * I }\n"


def write(folder: Path, **files: str) -> Path:
    """Files of these names and texts (`lib__a` is lib/a.snn); the path of `model.snn`."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".snn")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "model.snn"


def outputs(path: Path, x: Any = (1.0, 2.0)) -> list[Any]:
    """What `y` is after one step."""
    run = spikec.compile(spikec.load(path), "reference").run({"x": np.asarray([x], np.float32)}, steps=1)
    return list(run.outputs["y"].tolist()[0])


def diagnostics_of(path: Path) -> list[Diagnostic]:
    with pytest.raises(CompileError) as caught:
        spikec.load(path)
    return caught.value.diagnostics


def model(*lines: str) -> str:
    return "\n".join(("model M {", "step 1 ms", "input x : real[2]", *lines, "}"))


# ---------------------------------------------------------------- what an import brings


@pytest.mark.parametrize(
    ("statement", "use"),
    [
        ('import "cells.snn"', "Cell[2](x)"),
        ('import "./cells.snn"', "Cell[2](x)"),
        ('import "cells.snn" as c', "c.Cell[2](x)"),
        ('import "cells.snn" as c', "x |> c.Cell()"),
        ('import "cells.snn" as c\nimport "cells.snn"', "c.Cell[2](0.5 * x) + Cell[2](0.5 * x)"),
        ('import "cells.snn"\nneuron Loud = Cell(gain = 4)', "Loud[2](0.5 * x)"),
        ('import "cells.snn" as c\nneuron Loud = c.Cell(gain = 4)', "Loud[2](0.5 * x)"),
    ],
)
def test_declarations_of_a_file(tmp_path: Path, statement: str, use: str) -> None:
    text = f"{statement}\n" + model(f"z = {use}", "output y = z")
    path = write(tmp_path, cells=CELL, model=text)
    assert outputs(path) == [2.0, 4.0]


def test_populations_of_an_alias(tmp_path: Path) -> None:
    lines = "pop a : c.Cell[2](gain = 3)", "a.I = x", "output y = a", "probe a.out"
    path = write(tmp_path, cells=CELL, model='import "cells.snn" as c\n' + model(*lines))
    assert outputs(path) == [3.0, 6.0]


def test_an_imported_neuron_is_the_same_program_as_one_written_in_the_model(tmp_path: Path) -> None:
    lines = "pop a : Cell[2](gain = 3)", "a.I = x", "output y = a"
    imported = spikec.load(write(tmp_path, cells=CELL, model='import "cells.snn"\n' + model(*lines)))
    written = spikec.load(write(tmp_path, model=CELL + model(*lines)))
    assert imported.text() == written.text()


def test_a_file_sees_its_own_names(tmp_path: Path) -> None:
    """Two files call different things by one name, and the model calls a third thing so."""
    path = write(
        tmp_path,
        lib__a='import "b.snn" as b\nparam k = 10\n' + "neuron Cell(gain = k) { in I; out gain * I }\n"
        "neuron Deep = b.Cell(gain = k + b.k)\nneuron Inner = Base\nneuron Base = Cell(gain = 3 * k)\n",
        lib__b="param k = 100\nneuron Cell(gain = k) { in I; out gain * I }\n",
        model='import "lib/a.snn" as a\nimport "lib/b.snn" as b\nparam k = 1\n'
        + CELL
        + model("z = a.Cell[2](x) + 1e4 * Cell[2](x) + 1e6 * k * x", "w = b.Cell[2](x) + a.Deep[2](x) + a.Inner[2](x)")[
            :-1
        ]
        + "u = 1e8 * a.k * x\noutput y = concat(z, w, u)\n}",
    )
    a, deep, inner = 10.0, 110.0, 30.0
    z, w, u = a + 2e4 + 1e6, 100.0 + deep + inner, 1e9
    assert outputs(path) == [z, 2 * z, w, 2 * w, u, 2 * u]


def test_locals_of_an_imported_neuron_hide_names_of_its_file(tmp_path: Path) -> None:
    cells = (
        "param I = 5\nparam gain = 7\nparam V = 9\nneuron Cell(gain = 2) { in I; var V = 0; V := gain * I; out V }\n"
    )
    path = write(tmp_path, cells=cells, model='import "cells.snn" as c\n' + model("z = c.Cell[2](x)", "output y = z"))
    assert outputs(path) == [2.0, 4.0]


def test_paths_are_relative_to_the_file_they_are_written_in(tmp_path: Path) -> None:
    write(tmp_path, lib__w='param W = load("w.npy")\n', lib__cells='import "w.snn"\nparam V = load("../v.npz", "v")\n')
    np.save(tmp_path / "lib" / "w.npy", np.array([3.0, 5.0]))
    np.savez(tmp_path / "v.npz", v=np.array([7.0, 11.0]))
    text = 'import "lib/cells.snn"\nimport "lib/w.snn" as w\n' + model("output y = (V + w.W) * x")
    assert outputs(write(tmp_path, model=text)) == [10.0, 32.0]


def test_what_was_read_is_listed(tmp_path: Path) -> None:
    path = write(tmp_path, a='import "lib/b.snn"\n' + CELL, lib__b="param k = 2\n", model='import "a.snn"\n' + model())
    path.write_text("import std.neurons\n" + path.read_text())
    tree = parse(read_source(path), str(path), spikec.dialects.diagnostics.Diagnostics())
    assert tree is not None
    built = build(tree, {}, spikec.dialects.diagnostics.Diagnostics(), tmp_path)
    assert built is not None
    assert sorted(file.resolve().relative_to(tmp_path.resolve()) for file in built.files) == [
        Path("a.snn"),
        Path("lib/b.snn"),
    ]


def test_parameters_of_an_imported_file_can_be_given(tmp_path: Path) -> None:
    cells = "param k : real\nneuron Cell(gain = k) { in I; out gain * I }\n"
    path = write(tmp_path, cells=cells, model='import "cells.snn"\n' + model("z = Cell[2](x)", "output y = z"))
    assert [d.code for d in diagnostics_of(path)] == ["E0204"]
    run = spikec.compile(spikec.load(path, {"k": 5}), "reference").run({"x": np.ones((1, 2), np.float32)}, steps=1)
    assert run.outputs["y"].tolist() == [[5.0, 5.0]]


def test_library_neurons_that_need_a_clock_disturb_no_model_that_counts(tmp_path: Path) -> None:
    text = "import std.neurons\nmodel M { step 1 steps\ninput x : real[2]\nz = IF[2](x)\noutput y = z }"
    assert outputs(write(tmp_path, model=text)) == [1, 1]


# ---------------------------------------------------------------- what can be wrong


def shown(path: Path) -> list[tuple[str, str, int]]:
    """(code, file, line) of each message."""
    return [
        (d.code, Path(d.span.file).relative_to(path.parent).as_posix(), d.span.line)
        for d in diagnostics_of(path)
        if d.span is not None
    ]


def test_mistakes_in_an_imported_file_are_shown_there(tmp_path: Path) -> None:
    path = write(
        tmp_path, lib__a="# one\nneuron A { in I; V := }\n\nneuron B { in I\n", model='import "lib/a.snn"\n' + model()
    )
    assert [(file, line) for _, file, line in shown(path)] == [("lib/a.snn", 2), ("lib/a.snn", 4)]
    path = write(
        tmp_path, lib__a="\nneuron A { in I; out I + 3 mV }", model='import "lib/a.snn"\n' + model("z = A[2](x)")
    )
    assert shown(path) == [("E0401", "lib/a.snn", 2)]


def test_a_wrong_default_of_an_imported_neuron_is_shown_where_it_is_used(tmp_path: Path) -> None:
    text = "import std.neurons (LIF)\nmodel M { step 1 steps\ninput x : real[2]\nz = LIF[2](x) }"
    path = write(tmp_path, model=text)
    (found,) = diagnostics_of(path)
    assert (found.code, found.span and found.span.line) == ("E0401", 4)
    assert found.help == "this model counts time in steps: write 'tau = 5 steps'"


@pytest.mark.parametrize(
    ("statement", "code", "part"),
    [
        ("import std.neurons (LFI)", "E0201", "did you mean 'LIF'?"),
        ("import std.neuron", "E0209", "did you mean 'std.neurons'?"),
        ("import std", "E0209", "the library has no 'std'"),
        ("import std.nir.norse", "E0209", "the library has no"),
        ('import "absent.snn"', "E0701", "no such file"),
        ('import "cells.txt"', "E0209", "name a .snn file"),
        ('import ""', "E0209", "name a .snn file"),
        ('import "/cells.snn"', "E0209", "relative to the folder"),
        ('import "a\x01.snn"', "E0209", "no file that can be imported"),
        ('import "pipe.snn"', "E0111", "is not a file"),
        ('import "folder.snn"', "E0111", "is not a file"),
        ('import "ring.snn"', "E0111", "cannot read"),
        (f'import "{"n" * 300}.snn"', "E0111", "cannot read"),
        ('import "model.snn"', "E0209", "files import each other: model.snn -> model.snn"),
        ('import "round.snn"', "E0209", "round.snn -> model.snn"),
        ('import "other.snn"', "E0209", "only declarations can be imported"),
        ('import "cells.snn"\nneuron Cell { in I }', "E0205", "also declared in line 2"),
        ('import "cells.snn" as M\nneuron M { in I }', "E0205", "also declared in line 2"),
        ('import "cells.snn" as x', "E0205", "give the file another name"),
        ('import "x.snn"', "E0205", "also declared in line 4"),
        ('import "cells.snn"\nimport "more.snn"', "E0205", "also imported from another file"),
        ('import "cells.snn" as c\nimport "more.snn" as c', "E0205", "also imported from another file"),
        ('import "cells.snn" as c\nneuron N = c.Call', "E0201", "did you mean 'Cell'?"),
        ('import "needy.snn"\nparam k = 3', "E0201", "unknown name 'k' in needy.snn"),
        ('import "lif.snn"\nimport std.neurons (LIF)', "E0201", "unknown name 'LIF' in lif.snn"),
    ],
)
def test_wrong_imports(tmp_path: Path, statement: str, code: str, part: str) -> None:
    os.mkfifo(tmp_path / "pipe.snn")
    (tmp_path / "folder.snn").mkdir()
    (tmp_path / "ring.snn").symlink_to(tmp_path / "ring.snn")
    path = write(
        tmp_path,
        cells=CELL,
        more=CELL,
        x="param x = 3\n",
        needy="neuron Needy(gain = k) { in I; out gain * I }\n",
        lif="neuron Fast = LIF(tau = 1 ms)\n",
        round='import "model.snn"\n',
        other=model(),
        model=f"{statement}\n{model('z = 2 * x')}",
    )
    found = diagnostics_of(path)
    assert [d.code for d in found] == [code]
    assert part in found[0].render()


def test_a_chain_of_imports_has_an_end(tmp_path: Path) -> None:
    files = {f"f{i}": f'import "f{i + 1}.snn"\n' for i in range(300)}
    path = write(tmp_path, **files, f300=CELL, model='import "f0.snn"\n' + model())
    assert [d.message for d in diagnostics_of(path)] == ["imports are nested more than 50 deep"]


def test_a_name_of_the_library_is_offered(tmp_path: Path) -> None:
    (found,) = diagnostics_of(write(tmp_path, model=model("z = PLIF[2](x)")))
    assert found.help == "it is in the library: import std.neurons (PLIF)"
