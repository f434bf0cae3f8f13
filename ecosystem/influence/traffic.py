"""What each flow carries: the influence on its way through it, its gains and its harms, and what happens without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.core.memory import budget
from ecosystem.influence import links
from ecosystem.influence.knockout import knock_outs
from ecosystem.influence.propagation import check_known
from ecosystem.influence.pushes import selected
from ecosystem.influence.response import Response

_PAIRS = 1 << 33  # flows × pairs of members up to which gains and harms are told apart
_CHUNK = 1 << 16  # pairs of one flow that are looked at together: they stay in a processor's cache
Flow = tuple[str, str]


def edges(
    response: Response, source: str | None = None, target: str | None = None, knock_out: bool = False
) -> pd.DataFrame:
    """What each flow carries: traffic, of which gains and harms, and what happens without it.

    Columns source, target (of the flow ``u → v``) and traffic, ``∇J_jᵀ R_jv B_vu R_uk b_k`` on the way from what
    ``source`` moves (curation of a member) to the alignment of ``target``, summed over all of them where none is named
    (without those whose effect has no end, in a continuum of stable points: ``attrs["without"]`` says which and why).
    Over all flows traffic adds up to ``Σ_h h·M^(h)`` (what a partial fit keeps of the old parameters is a hop, but no
    flow; so is what the taste of users who learn hands on, which is missing here). ``gains`` is the sum of what is
    positive among the pairs ``(j, k)``, ``harms`` of what is negative: where tastes are opposite they cancel in
    traffic, which is their sum, and not here (NaN of too many members for the memory or for patience;
    ``attrs["unsplit"]`` says so). With ``knock_out``, one column ``J[member]`` for each member with a reward: the
    change of its alignment at the new stable point when the flow's share is given back to real data (NaN where the
    reader has none, or where no stable point is found any more; ``attrs["refused"]`` says which and why).
    """
    sources = response.sources if source is None else check_known(response.sources, [source], "source")
    targets = response.targets if target is None else check_known(response.targets, [target], "target")
    reasons = {} if response.endless is None else response.endless.reasons
    without = {name: reasons[name] for name in sources if name in reasons}
    if source in without:
        raise ValueError(f"the traffic from {source!r} has no end: {without[source]}")
    sources = [name for name in sources if name not in without]
    push = response.pushes.rows(sources).sum(0, keepdim=True)
    goal = selected(response.dynamics, response.gradients, targets).sum(0, keepdim=True)
    moved = response.resolvent.forward(push)[0]
    weight = response.resolvent.adjoint(goal)[0]
    traffic = _traffic(response, moved, weight)
    flows = links.edges(response.dynamics)
    frame = pd.DataFrame(flows, columns=["source", "target"])
    frame["traffic"] = [traffic.get(flow, 0.0) for flow in flows]
    if len(sources) * len(targets) <= 1:
        split, unsplit = np.stack([frame["traffic"].clip(lower=0.0), frame["traffic"].clip(upper=0.0)], 1), ""
    else:
        split, unsplit = _split(response, sources, targets, flows)
    frame["gains"], frame["harms"] = split.T + 0.0  # no −0
    frame.attrs |= {"without": without} if without else {}
    frame.attrs |= {"unsplit": unsplit} if unsplit else {}
    if not knock_out:
        return frame
    changes, refused = knock_outs(response.dynamics, response.vector, response.alignment, flows)
    attrs = frame.attrs | {"refused": refused}
    frame = pd.concat([frame, changes], axis=1)
    frame.attrs = attrs
    return frame


def _traffic(response: Response, moved: Tensor, weight: Tensor) -> dict[Flow, float]:
    """``w_vᵀ B_vu x_u`` for each flow ``u → v``, where every member moves by ``x`` and counts by ``w`` (``[size]``
    each).

    Each flow's part of a reader's statistic moves with its producer; the reader's fit turns that into parameters.
    """
    linear, layout = response.resolvent.flows, response.dynamics.layout
    wiring = response.dynamics.wiring
    total: dict[Flow, float] = {}
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


def _split(response: Response, sources: list[str], targets: list[str], flows: list[Flow]) -> tuple[np.ndarray, str]:
    """What each flow carries, its positive and its negative pairs apart, ``[flows, 2]``; and why not, or ""."""
    dynamics, size, found = response.dynamics, len(response.vector), np.zeros((len(flows), 2))
    layout, pairs = dynamics.layout, len(sources) * len(targets)
    numbers = (len(sources) + len(targets)) * size
    numbers += len(sources) * response.resolvent.flows.total(lambda own, other: own)
    if pairs * len(flows) > _PAIRS or 8 * numbers > budget():
        many = f"{len(flows):,} flows of {len(sources):,} sources on {len(targets):,} targets"
        return found * np.nan, f"gains and harms of {many} are too many to tell apart; name a source or a target"
    resolvent, gradients = response.resolvent, response.gradients
    moved = [resolvent.forward(response.pushes.rows(sources[part])) for part in resolvent.batches(len(sources))]
    counts = [
        resolvent.adjoint(selected(response.dynamics, gradients, targets[part]))
        for part in resolvent.batches(len(targets))
    ]
    arrived = _arrived(response, torch.cat(moved))
    weights = torch.cat(counts)
    for i, (u, v) in enumerate(flows):
        span, change = layout.span(dynamics.index[v]), arrived.get((u, v))
        if span is None or change is None:
            continue
        for some in weights[:, span].split(max(1, _CHUNK // len(sources))):
            each = some @ change.T  # [targets, sources]
            found[i] += float(each.clamp(min=0).sum()), float(each.clamp(max=0).sum())
    return found, ""


def _arrived(response: Response, moved: Tensor) -> dict[Flow, Tensor]:
    """``B_vu x_u`` for each flow ``u → v`` and some changes ``x [changes, size]``: ``[changes, width of v]`` each."""
    layout, names = response.dynamics.layout, response.dynamics.names
    found: dict[Flow, Tensor] = {}
    for part in response.resolvent.flows.parts(kept=False):
        for v, u, block in zip(part.targets.tolist(), part.producers.tolist(), part.blocks, strict=True):
            flow, change = (names[u], names[v]), moved[:, layout.span(u)] @ block.T
            found[flow] = found[flow] + change if flow in found else change  # raw and curated are one flow
    return found
