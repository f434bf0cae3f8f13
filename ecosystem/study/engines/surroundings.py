"""What processes that are started find around them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # "0": a Ray that listens on the loopback interface


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if value is not None})


@contextmanager
def loopback(ray: Any) -> Iterator[None]:
    """Nodes that are started meanwhile listen on this machine alone, as Ray's on a desktop do; it has no other switch.

    Whoever sets its variable decides.
    """
    if ALONE in os.environ:
        yield
        return
    constants, before = ray._private.ray_constants, ray._private.ray_constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        with environment({ALONE: "0"}):
            yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before
