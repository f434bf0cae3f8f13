"""How influence travels, hop by hop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import a_name, whole_number
from ecosystem.core.memory import affordable
from ecosystem.core.words import listed
from ecosystem.influence.pushes import selected, summed
from ecosystem.influence.response import Response

LONGEST = 100_000  # hops of a walk, more than carry anything where a sum over walks exists
_SOURCES = 64  # whose hops are followed for a report of a large network


def hops(response: Response, most: int = 8, sources: list[str] | None = None) -> pd.DataFrame:
    """The influence by walks of each length, of all sources or some: ``M = Σ_h M^(h)``, ``M^(h)_jk = ∇J_jᵀ (B^h)_jk
    b_k``.

    Columns target, source, hop (0..``most``), effect ``M^(h)``, cumulative ``Σ_{i≤h} M^(i)``, left (exactly what longer
    walks carry: ``M`` minus cumulative) and bound (``|left| ≤ bound``, from the size of what is still on its way). The
    series needs ``ρ(B) < 1``; where it is not, ``left`` does not tend to 0.
    """
    whole_number(most, "hops(most)", 0, of="hops", high=LONGEST)
    sources = response.sources if sources is None else check_known(response.sources, sources, "source")
    targets = response.targets
    affordable(4 * (most + 1) * len(targets) * len(sources), f"hops({most})", "ask for fewer hops")
    effects = np.empty((most + 1, len(targets), len(sources)))
    remaining = np.empty((most + 1, len(sources)))
    for part in response.resolvent.batches(len(sources)):
        walkers = response.pushes.rows(sources[part])
        for hop in range(most + 1):
            effects[hop, :, part] = summed(response.dynamics, walkers, response.gradients, targets).T.numpy()
            walkers = response.resolvent.push(walkers)
            remaining[hop, part] = walkers.norm(dim=-1).numpy()
    cumulative = effects.cumsum(0)
    left = response.matrix[sources].to_numpy() - cumulative
    bound = np.where(np.isfinite(left), remaining[:, None, :] * _reach(response)[None, :, None], np.inf)
    return _long(response, sources, most, {"effect": effects, "cumulative": cumulative, "left": left, "bound": bound})


def strongest(response: Response, most: int, pairs: int = 2500) -> pd.DataFrame:
    """The table ``hops`` of the ``pairs`` largest effects at most: of a thousand members there would be millions of
    rows.
    """
    size = response.matrix.abs().stack()
    if len(size) <= pairs:
        return hops(response, most)
    kept = size.nlargest(pairs).index
    sources = kept.get_level_values("source").unique().tolist()[:_SOURCES]  # strongest first
    table = hops(response, most, sources)
    return table[pd.MultiIndex.from_frame(table[["target", "source"]]).isin(kept)].reset_index(drop=True)


def _reach(response: Response) -> np.ndarray:
    """``‖(I − B)⁻ᵀ ∇J_j‖`` of every target: the most that a push of length 1 anywhere can do to it in the long run."""
    parts = [
        response.dynamics.layout.tangent(
            response.resolvent.adjoint(selected(response.dynamics, response.gradients, response.targets[part]))
        ).norm(dim=-1)
        for part in response.resolvent.batches(len(response.targets))
    ]
    return torch.cat(parts).numpy()


def _long(response: Response, sources: list[str], most: int, values: dict[str, np.ndarray]) -> pd.DataFrame:
    """One row for each target, source and hop from arrays ``[hops, targets, sources]``."""
    index = pd.MultiIndex.from_product([range(most + 1), response.targets, sources], names=["hop", "target", "source"])
    frame = pd.DataFrame({name: value.reshape(-1) for name, value in values.items()}, index=index).reset_index()
    order = response.dynamics.index
    frame = frame.sort_values(["target", "source", "hop"], key=lambda c: c.map(order) if c.name != "hop" else c)
    return frame[["target", "source", "hop", *values]].reset_index(drop=True)


def check_known(known: list[str], names: list[str], what: str) -> list[str]:
    for name in names:
        if name not in known:
            a_name(name, what)
            near = meant_among(name, known, f"those are {listed(known)}")
            raise KeyError(f"{name!r} is no {what} of this influence matrix{near}")
    return names
