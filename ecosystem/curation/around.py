"""What curators share that go around another one: its answers, and the slate that it is shown in place of theirs."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from torch import Tensor

from ecosystem.core.laws import Law
from ecosystem.curation.base import Slate


def of_inner(claim: str) -> Any:
    """What a curator says of itself is what its ``curator`` says.

    Written in each class anew: such answers rest on its ``curate``, and are not inherited by who writes another.
    """
    return property(attrgetter(f"curator.{claim}"))


class Through(Slate):
    """A slate made of another one, ``slate``; what it does not say itself, that one says."""

    def __init__(self, slate: Slate) -> None:
        self.slate = slate

    def law(self) -> Law:
        return self.slate.law()

    def noise(self) -> Tensor:
        return self.slate.noise()

    def pool(self) -> Tensor:
        return self.slate.pool()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.slate, name)
