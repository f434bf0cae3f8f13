"""Curators: how people choose what is kept."""

from ecosystem.curation.base import Curator, Slate
from ecosystem.curation.choices import BestOf, Luce, TopFraction
from ecosystem.curation.crowd import Crowd, Users
from ecosystem.curation.luce import luce_survivors
from ecosystem.curation.tilts import Blind, Shift, Tilt

__all__ = [
    "BestOf",
    "Blind",
    "Crowd",
    "Curator",
    "Luce",
    "Shift",
    "Slate",
    "Tilt",
    "TopFraction",
    "Users",
    "luce_survivors",
]
