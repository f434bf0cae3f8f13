"""Mesa, imported quickly."""

from __future__ import annotations

import inspect
import sys


def import_mesa() -> None:
    """Import Mesa without the source of whoever imports it.

    Its logging asks ``inspect`` twice for the whole stack with lines of source, of which it reads a name: a quarter of
    the time that this library takes to import, in every worker of a study.
    """
    if "mesa" in sys.modules:
        return
    whole = inspect.getouterframes
    inspect.getouterframes = lambda frame, context=1: whole(frame, 0)
    try:
        import mesa  # noqa: F401
    finally:
        inspect.getouterframes = whole
