"""``(I − B_ii)⁻¹``: what a lasting push would do to each member with everybody else frozen."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ecosystem.engine.bundles import Bundle
from ecosystem.influence import krylov
from ecosystem.influence.fits import Fit, narrowed
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.resolvent import Resolvent


def alone(resolvent: Resolvent, b: Tensor) -> Tensor:
    """``(I − B_ii)⁻¹ b_i`` of every member, everybody else frozen (but for users who look at it): ``[size]``.

    NaN where a member has no answer.
    """
    if not resolvent.dynamics.layout.minds:
        return _through_flows(resolvent.flows, b)
    out, owners = torch.zeros_like(b), resolvent.dynamics.layout.owners()
    for member in owners.unique():
        own = (owners == member).nonzero().squeeze(-1)
        eye = torch.eye(len(b), dtype=b.dtype)[own]
        columns = torch.cat([resolvent.push(eye[part]) for part in resolvent.batches(len(own))])
        inner = torch.eye(len(own), dtype=b.dtype) - columns[:, own].T
        solved, info = torch.linalg.solve_ex(inner, b[own])
        out[own] = solved if not bool(info) else torch.nan
    return out


def _through_flows(flows: LinearFlows, b: Tensor) -> Tensor:
    """``(I − B_ii)⁻¹ b_i`` of every member, everybody else frozen: ``[size]`` from ``b [size]``."""
    out = torch.empty_like(b)
    spans = {block.cohort: block for block in flows.dynamics.layout.blocks}
    for fit in flows.fits:
        block = spans[fit.task.cohort]
        here = torch.isin(block.members, torch.from_numpy(fit.task.members))
        part = b[block.span].unflatten(0, (len(block.rows), block.width))
        solved = krylov.solve(partial(_own_answer, flows, fit, _own_flows(flows, fit)), part[here], 1e-13)
        sound = solved.residual <= 1e-8  # else I − B_ii is singular, and there is no answer
        known = torch.where(sound.unsqueeze(-1), solved.x, torch.nan)
        out[block.span].unflatten(0, (len(block.rows), block.width))[here] = known
    return out


def _own_flows(flows: LinearFlows, fit: Fit) -> list[Bundle]:
    """The self-loops of a task's members."""
    members = torch.from_numpy(fit.task.members)
    producer = torch.from_numpy(flows.dynamics.wiring.producer)
    found = []
    for bundle in fit.task.bundles:
        own = (producer[bundle.component] == members[bundle.owner]).nonzero().squeeze(-1)
        if len(own):
            found.append(narrowed(bundle, own))
    return found


def _own_answer(flows: LinearFlows, fit: Fit, bundles: list[Bundle], v: Tensor) -> Tensor:
    """``B_ii v_i`` for each member of a task, ``[rows, width]``."""
    statistic = v.new_zeros(len(v), fit.statistic.shape[-1])
    for bundle in bundles:
        reader = torch.empty(len(bundle.source), dtype=torch.int64)
        reader[bundle.origin] = bundle.owner  # in a self-loop, the row that an origin belongs to
        moved = flows.moved(fit, bundle, v[reader])
        parts = moved[bundle.origin] * flows.shares[bundle.component].unsqueeze(-1)
        statistic = statistic.index_add(0, bundle.owner, parts)
    return fit.answer(statistic, v)
