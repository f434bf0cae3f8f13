"""Mesa, imported quickly."""

from __future__ import annotations

import inspect
from typing import Any


def _mesa() -> Any:
    """Mesa, imported without the source of whoever imports it.

    Its logging asks ``inspect`` twice for the whole stack with lines of source, of which it reads a name: a quarter of
    the time that this library takes to import, in every worker of a study.
    """
    whole = inspect.getouterframes
    inspect.getouterframes = lambda frame, context=1: whole(frame, 0)
    try:
        import mesa

        return mesa
    finally:
        inspect.getouterframes = whole


mesa = _mesa()
