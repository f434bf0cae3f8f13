"""Small parts that both pages are made of."""

# Solara passes its names on without saying so.
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import solara

from ecosystem.core.words import safe

narrow = solara.reactive(False)  # whether the reader's window is that of a phone


@solara.component_vue("picture.vue")
def Picture(svg: str = "", event_picked: Callable[[dict[str, str]], Any] = print) -> None:  # type: ignore[empty-body]
    """A drawing whose members, flows and points answer the mouse and the keyboard with their ``data-…``."""


@solara.component_vue("system.vue")
def System(event_told: Callable[[dict[str, bool]], Any] = print) -> None:  # type: ignore[empty-body]
    """Says whether the reader's system is ``dark`` and the window ``narrow``, now and when that changes."""


@solara.component_vue("choose.vue")
def Choose(  # type: ignore[empty-body]
    label: str = "", values: Sequence[str] = (), value: str = "", event_chosen: Callable[[str], Any] = print
) -> None:
    """One of some words: the browser's own control, which phones and screen readers know."""


@solara.component
def Table(html: str, name: str) -> None:
    """A table that scrolls within its frame."""
    solara.HTML(
        tag="div", unsafe_innerHTML=html, classes=["table", name], attributes={"tabindex": "0", "role": "region"}
    )


@solara.component
def Facts(sentences: Sequence[str]) -> None:
    """Sentences, one below the other."""
    solara.HTML(tag="ul", unsafe_innerHTML="".join(f"<li>{safe(sentence)}</li>" for sentence in sentences))
