"""Curators: how people choose what is kept; and users, whose taste may move."""

from ecosystem.curation.base import Curator, Slate
from ecosystem.curation.bradley_terry import BradleyTerry, learned
from ecosystem.curation.choices import BestOf, Luce, TopFraction
from ecosystem.curation.communities import Community
from ecosystem.curation.comparisons import Comparisons
from ecosystem.curation.crowd import Crowd
from ecosystem.curation.demand import (
    BestResponse,
    Capacity,
    Demand,
    Intake,
    Lever,
    Replicator,
    Softmax,
    Switching,
    Writing,
)
from ecosystem.curation.flips import Flips
from ecosystem.curation.learning import Drift, Habit, Learner
from ecosystem.curation.luce import luce_survivors
from ecosystem.curation.preferences import Preferences
from ecosystem.curation.quota import Quota
from ecosystem.curation.relearning import Relearned
from ecosystem.curation.seen import OfLaw, OfSamples, Seen
from ecosystem.curation.tilts import Blind, Shift, Tilt
from ecosystem.curation.users import Users
from ecosystem.curation.verifiers import Threshold, Within

__all__ = [
    "BestOf",
    "BestResponse",
    "Blind",
    "BradleyTerry",
    "Capacity",
    "Community",
    "Comparisons",
    "Crowd",
    "Curator",
    "Demand",
    "Drift",
    "Flips",
    "Habit",
    "Intake",
    "Learner",
    "Lever",
    "Luce",
    "OfLaw",
    "OfSamples",
    "Preferences",
    "Quota",
    "Relearned",
    "Replicator",
    "Seen",
    "Shift",
    "Slate",
    "Softmax",
    "Switching",
    "Threshold",
    "Tilt",
    "TopFraction",
    "Users",
    "Within",
    "Writing",
    "learned",
    "luce_survivors",
]
