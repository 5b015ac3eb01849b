"""The scripts of examples and benchmarks as modules, so that tests can call their parts."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]


@cache
def script(path: str) -> ModuleType:
    """A script by its path from the root of the project."""
    name = path.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def said(path: str, *arguments: str | Path) -> list[str]:
    """The lines that a script prints, run by its `main` and ended well.

    It runs in this process, which has loaded its libraries; `test_readme.py` starts scripts as commands.
    """
    main, printed = script(path).main, StringIO()
    with redirect_stdout(printed), patch.object(sys, "argv", [path, *map(str, arguments)]):
        status = main()
    assert not status, printed.getvalue()
    return printed.getvalue().splitlines()
