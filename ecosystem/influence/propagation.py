"""How influence travels: hop by hop, and edge by edge."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.core.check import a_name
from ecosystem.core.words import listed
from ecosystem.influence.knockout import knock_outs
from ecosystem.influence.response import Response

_SOURCES = 64  # whose hops are followed for a report of a large network


def hops(response: Response, most: int = 8, sources: list[str] | None = None) -> pd.DataFrame:
    """The influence by walks of each length, of all sources or some: ``M = Σ_h M^(h)``, ``M^(h)_jk = ∇J_jᵀ (B^h)_jk
    b_k``.

    Columns target, source, hop (0..``most``), effect ``M^(h)``, cumulative ``Σ_{i≤h} M^(i)``, left (exactly what longer
    walks carry: ``M`` minus cumulative) and bound (``|left| ≤ bound``, from the size of what is still on its way). The
    series needs ``ρ(B) < 1``; where it is not, ``left`` does not tend to 0.
    """
    if most < 0:
        raise ValueError(f"hops(most) is a number of hops, at least 0, got {most!r}")
    sources = response.sources if sources is None else check_known(response.sources, sources, "source")
    targets = response.targets
    effects = np.empty((most + 1, len(targets), len(sources)))
    remaining = np.empty((most + 1, len(sources)))
    for part in response.resolvent.batches(len(sources)):
        walkers = response.pushes.rows(sources[part])
        for hop in range(most + 1):
            effects[hop, :, part] = response.summed(walkers, response.gradients, targets).T.numpy()
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
            response.resolvent.adjoint(response.selected(response.gradients, response.targets[part]))
        ).norm(dim=-1)
        for part in response.resolvent.batches(len(response.targets))
    ]
    return torch.cat(parts).numpy()


def _long(response: Response, sources: list[str], most: int, values: dict[str, np.ndarray]) -> pd.DataFrame:
    """One row for each target, source and hop from arrays ``[hops, targets, sources]``."""
    index = pd.MultiIndex.from_product([range(most + 1), response.targets, sources], names=["hop", "target", "source"])
    frame = pd.DataFrame({name: value.reshape(-1) for name, value in values.items()}, index=index).reset_index()
    order = {name: i for i, name in enumerate(response.dynamics.names)}
    frame = frame.sort_values(["target", "source", "hop"], key=lambda c: c.map(order) if c.name != "hop" else c)
    return frame[["target", "source", "hop", *values]].reset_index(drop=True)


def edges(
    response: Response, source: str | None = None, target: str | None = None, knock_out: bool = False
) -> pd.DataFrame:
    """What each flow carries: traffic, and what happens without it.

    Columns source, target (of the flow ``u → v``) and traffic, ``∇J_jᵀ R_jv B_vu R_uk b_k`` on the way from what
    ``source`` moves (curation of a member) to the alignment of ``target``, summed over all of them where none is named
    (without those whose effect has no end, in a continuum of stable points: ``attrs["without"]`` says which and why).
    Over all flows traffic adds up to ``Σ_h h·M^(h)`` (what a partial fit keeps of the old parameters is a hop, but no
    flow; so is what the taste of users who learn hands on, which is missing here). With ``knock_out``, one column
    ``J[member]`` for each member with a reward: the change of its alignment at the new stable point when the flow's
    share is given back to real data (NaN where the reader has none, or where no stable point is found any more;
    ``attrs["refused"]`` says which and why).
    """
    sources = response.sources if source is None else check_known(response.sources, [source], "source")
    targets = response.targets if target is None else check_known(response.targets, [target], "target")
    reasons = {} if response.endless is None else response.endless.reasons
    without = {name: reasons[name] for name in sources if name in reasons}
    if source in without:
        raise ValueError(f"the traffic from {source!r} has no end: {without[source]}")
    sources = [name for name in sources if name not in without]
    push = response.pushes.rows(sources).sum(0, keepdim=True)
    goal = response.selected(response.gradients, targets).sum(0, keepdim=True)
    moved = response.resolvent.forward(push)[0]
    weight = response.resolvent.adjoint(goal)[0]
    traffic = _traffic(response, moved, weight)
    flows = response.dynamics.edges()
    frame = pd.DataFrame(flows, columns=["source", "target"])
    frame["traffic"] = [traffic.get(flow, 0.0) for flow in flows]
    if without:
        frame.attrs["without"] = without
    if not knock_out:
        return frame
    changes, refused = knock_outs(response.dynamics, response.vector, response.alignment, flows)
    frame = pd.concat([frame, changes.reset_index(drop=True)], axis=1)
    frame.attrs["refused"] = refused
    return frame


def check_known(known: list[str], names: list[str], what: str) -> list[str]:
    for name in names:
        if name not in known:
            a_name(name, what)
            raise KeyError(f"{name!r} is no {what} of this influence matrix; those are {listed(known)}")
    return names


def _traffic(response: Response, moved: Tensor, weight: Tensor) -> dict[tuple[str, str], float]:
    """``w_vᵀ B_vu x_u`` for each flow ``u → v``, where every member moves by ``x`` and counts by ``w`` (``[size]``
    each).

    Each flow's part of a reader's statistic moves with its producer; the reader's fit turns that into parameters.
    """
    linear, layout = response.resolvent.flows, response.dynamics.layout
    wiring = response.dynamics.wiring
    total: dict[tuple[str, str], float] = {}
    for fit in linear.fits:
        counts = torch.stack([weight[layout.span(member)] for member in fit.task.members.tolist()])
        pull = vjp(lambda s, fit=fit: fit.stack.refit(s).vector(), fit.statistic)[1]
        wanted = pull(counts[:, None, None])[0][:, 0, 0]  # what each number of a statistic counts, [rows, Q]
        for bundle in fit.task.bundles:
            producers = wiring.producer[bundle.component.numpy()]
            if producers[0] < 0:
                continue
            of_origin = np.empty(len(bundle.source), dtype=np.int64)
            of_origin[bundle.origin.numpy()] = producers
            vector = torch.zeros_like(linear.producers(bundle).vector()[:, 0, 0])
            for i, member in enumerate(of_origin.tolist()):
                span = layout.span(member)
                if span is not None:
                    vector[i] = moved[span]
            sent = linear.moved(fit, bundle, vector)
            value = (sent[bundle.origin] * wanted[bundle.owner]).sum(-1) * linear.shares[bundle.component]
            for component, amount in zip(bundle.component.tolist(), value.tolist(), strict=True):
                flow = wiring.components[component].flow
                assert flow is not None
                total[flow] = total.get(flow, 0.0) + amount
    return total
