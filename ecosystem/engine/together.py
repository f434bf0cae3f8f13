"""Models of one shape that retrain side by side, as their plans ask for; one by one where that cannot be."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.streams import Stream
from ecosystem.engine.looped import beside, sent
from ecosystem.generators import ConditionalModel, GenerativeModel
from ecosystem.generators.stacked import groups, trained_together

Place = tuple[int, int, int]  # task row, variant and replicate


@dataclass
class Retraining:
    """One model that is due, what it trains on and its stream."""

    cell: Place
    model: GenerativeModel
    data: Samples
    rng: Stream


def side_by_side(waiting: Sequence[Retraining]) -> Iterator[list[Retraining]]:
    """Those that may train together."""
    for group in groups([one.model for one in waiting], [one.data for one in waiting]):
        yield [waiting[i] for i in group]


def fitted_together(some: Sequence[Retraining]) -> list[tuple[GenerativeModel, float]] | None:
    """Copies of the models trained on their data, and their losses, as ``fitted`` gives them one by one.

    None where they must be looped over: whatever went wrong here is then found, and told, by the loop.
    """
    if len(some) < 2:
        return None
    try:
        rngs = [beside(one.model, one.rng) for one in some]
        data = [sent(one.data, rng.keys.device) for one, rng in zip(some, rngs, strict=True)]
        models = [copy.deepcopy(one.model) for one in some]
        losses = trained_together(models, data, rngs)
    except Exception:
        return None
    for model, x in zip(models, data, strict=True):
        if isinstance(model, ConditionalModel) and isinstance(x, Pairs):
            model.prompts = x.inputs.clone()
    return list(zip(models, losses, strict=True))
