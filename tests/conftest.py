"""Options of the whole test suite."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Callable, Iterator

import pytest
from spikec.backends.cpu import codegen
from spikec.backends.cpu.target import CpuTarget

# The IR is verified after every pass, in commands that tests start too.
os.environ.setdefault("SPIKEC_VERIFY_EACH", "1")
# To look for garbage among all that the tests themselves hold takes a tenth of some of them.
gc.set_threshold(10_000)
# Commands that tests start would translate all modules anew where Python may not keep what it made of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected files anew instead of comparing")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew."""
    return bool(request.config.getoption("--update-golden"))


Compiler = Callable[..., bytes]


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiler]:
    """LLVM takes most of the time of a compilation, and many tests run the same networks: each text is compiled once.

    The workers of a session share what is compiled, in a folder.
    """
    compiler, folder = codegen.object_code, tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "objects"
    folder.mkdir(exist_ok=True)

    def object_code(target: CpuTarget, text: str, also: str = "") -> bytes:
        file = folder / hashlib.sha256(repr((target, text, also)).encode()).hexdigest()
        if not file.exists():
            written = file.with_suffix(f".{os.getpid()}")
            written.write_bytes(compiler(target, text, also))
            written.replace(file)  # the others never read half a file
        return file.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codegen, "object_code", object_code)
        yield compiler


@pytest.fixture
def compiled_each_time(compiled_once: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what LLVM makes."""
    monkeypatch.setattr(codegen, "object_code", compiled_once)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests recorded under the property `report`: a title and a text below it."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, [])]
    for title, _, text in (str(v).partition("\n") for r in reports for k, v in r.user_properties if k == "report"):
        terminalreporter.write_sep("-", title)
        terminalreporter.write_line(text)
