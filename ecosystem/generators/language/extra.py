"""The libraries of the extra ``language``: imported when they are used, since they cost seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def needed(module: str) -> Any:
    """A module of the extra ``language``."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"language models need {module}: pip install 'mesacosm[language]'") from error


@contextmanager
def quiet() -> Iterator[Any]:
    """Transformers, without its progress bars inside."""
    transformers = needed("transformers")
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        if shown:
            logging.enable_progress_bar()
