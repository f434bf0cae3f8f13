"""Built-in measures of what members make: diversity, and the distance to their real data and to each other.

>>> from ecosystem import Categorical, Location
>>> float(effective_number.of(Categorical([0.25] * 4)))
4.0
>>> float(data_distance.of(Location([3.0, 4.0]), Location([0.0, 0.0])))
5.0
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.laws import Finite, Law, NoPopulationLaw
from ecosystem.core.samples import outputs
from ecosystem.engine.looped import Stack
from ecosystem.generators import ClosedForm
from ecosystem.running.measures.contract import exact
from ecosystem.running.measures.formulas import (
    comparable,
    distance_in,
    distance_of,
    entropy_in,
    entropy_of,
    variance_in,
    variance_of,
)
from ecosystem.running.measures.view import View

_NOTHING = torch.tensor(torch.nan, dtype=torch.float64)


# -- of each member ----------------------------------------------------------------------------------------------------


@exact(lambda x, real: entropy_in(x))
def entropy(stack: ClosedForm, real: Stack | None) -> Tensor:
    """How much a member's output varies, in nats: ``−Σ p log p`` of symbols, the differential entropy of a normal law.

    Where there is neither (neural models, mixtures) an estimate from ``Record(judged)`` samples: see
    :func:`~ecosystem.running.measures.formulas.entropy_in`.
    """
    return entropy_of(stack.law())


def _effective_number_in(x: Tensor, real: Tensor | None) -> Tensor:
    return _NOTHING if x.is_floating_point() else entropy_in(x).exp()


@exact(_effective_number_in)
def effective_number(stack: ClosedForm, real: Stack | None) -> Tensor:
    """How many equally likely symbols would vary as much: ``exp(entropy)`` (Hill 1973, of order 1); NaN of vectors."""
    law = stack.law()
    if not isinstance(law, Finite):
        raise NoPopulationLaw("the number of categories of a law of vectors")
    return entropy_of(law).exp()


@exact(lambda x, real: variance_in(x))
def total_variance(stack: ClosedForm, real: Stack | None) -> Tensor:
    """The trace of the covariance of a member's output; of symbols that of their indicators, ``1 − Σ p²``.

    Of members without a law the unbiased estimate from ``Record(judged)`` samples.
    """
    return variance_of(stack.law()).expand(stack.batch_shape)


def _data_distance_in(x: Tensor, real: Tensor | None) -> Tensor:
    return _NOTHING if real is None else distance_in(x, real)


@exact(_data_distance_in)
def data_distance(stack: ClosedForm, real: Stack | None) -> Tensor:
    """How far a member's output is from its real data; NaN where it has none.

    Total variation of laws on symbols; else the Fréchet distance of two laws by their moments, which is the
    2-Wasserstein distance where both are normal. Where one of them has no law: total variation of the frequencies among
    ``Record(judged)`` samples of symbols, the sliced 2-Wasserstein distance of vectors (see
    :mod:`~ecosystem.running.measures.formulas`). Derivatives are NaN where the two are the same.
    """
    if real is None:
        return torch.full(stack.batch_shape, torch.nan, dtype=torch.float64, device=stack.vector().device)
    return distance_of(stack.law(), real.law())


# -- of pairs ----------------------------------------------------------------------------------------------------------


def distances(view: View) -> pd.DataFrame:
    """How far the output of every two members is apart: a table with the columns member, other and distance.

    As :func:`data_distance`, with the other member for data. Each pair stands once, in the order of the members; pairs
    whose samples are of different shapes, or symbols of different alphabets, are left out.
    """
    names = view.names
    out = np.full((len(names), len(names), *view.alive.shape), np.nan)
    laws = {name: view.law(name) for name in names}
    for i, one in enumerate(names):
        for j, other in enumerate(names[i + 1 :], start=i + 1):
            if view.comparable(one, other) and _alike(laws[one], laws[other]):
                value = _apart(view, (one, other), (laws[one], laws[other]))
                out[i, j] = torch.where(view.present[i] & view.present[j], value, torch.nan).cpu().numpy()
    return view.frame("distance", out, member=names, other=names)


def _alike(one: Law | None, other: Law | None) -> bool:
    return one is None or other is None or comparable(one, other)


def _apart(view: View, names: tuple[str, str], laws: tuple[Law | None, Law | None]) -> Tensor:
    """``[variants, replicates]``."""
    if laws[0] is not None and laws[1] is not None:
        return distance_of(laws[0], laws[1])
    drawn = view.samples(names=names)
    own = view.codec(names[0])
    x, y = (outputs(drawn[name] if own is None else own.recoded(drawn[name])) for name in names)
    out = torch.empty_like(view.alive, dtype=torch.float64)
    for cell in np.ndindex(*out.shape):
        out[cell] = distance_in(x[cell], y[cell])
    return out
