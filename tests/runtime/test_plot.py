"""Pictures: what each panel shows, and that the same run gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spikec.dialects.diagnostics import MissingTool, UsageError
from spikec.runtime import plot
from spikec.runtime.run import Executable


@pytest.mark.parametrize(("kind", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_is_deterministic(net: Executable, kind: str, head: bytes) -> None:
    pytest.importorskip("matplotlib")
    run = net.run({"x": np.ones(2)}, steps=5)
    drawn = plot.draw(run, net.interface, kind)
    assert drawn.startswith(head)
    assert drawn == plot.draw(run, net.interface, kind)


def test_every_probe_and_output_has_a_panel(net: Executable) -> None:
    pytest.importorskip("matplotlib")
    run = net.run({"x": np.ones((2, 2))}, steps=5, batch=2)
    drawn = plot.draw(run, net.interface, "svg").decode()
    for title in ("a.V", "a.spike", "y", "label", "Counter, 5 ms"):
        assert f"<!-- {title} -->" in drawn


def test_an_unknown_kind_of_picture() -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        plot.check(Path("a.bmp"))


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingTool, match=r"pip install 'spikec\[plot\]'"):
        plot.check(Path("a.png"))
