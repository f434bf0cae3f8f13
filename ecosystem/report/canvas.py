"""Matplotlib as it comes, whatever the user has set for figures of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_backend = os.environ.pop("MPLBACKEND", None)  # one that is unknown ends the import; figures that are saved need none
import matplotlib  # noqa: E402

if _backend is not None:  # for windows of the user's own
    os.environ["MPLBACKEND"] = _backend
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _backend


@contextmanager
def own_style() -> Iterator[None]:
    """Draw in Matplotlib's own style, not the user's: ``text.usetex`` needs a TeX, a dark style has white letters."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
