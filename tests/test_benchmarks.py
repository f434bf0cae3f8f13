"""The benchmarks are not run here, but what they measure must be there."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from tests import benchmarks

FOUND = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
NAMES = [name for name in FOUND if name not in ("__main__", "timing")]


@pytest.mark.parametrize("name", NAMES)
def test_what_benchmarks_measure_is_there(name: str) -> None:
    """The one of digits asked for a module that had moved, and said so only when somebody measured."""
    assert callable(importlib.import_module(f"tests.benchmarks.{name}").measure)
