"""``(I − B_ii)⁻¹``: what a lasting push would do to each member with everybody else frozen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ecosystem.engine.bundles import Bundle
from ecosystem.influence import krylov
from ecosystem.influence.fits import Fit, narrowed
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.resolvent import Resolvent


def alone(resolvent: Resolvent, b: Tensor, some: np.ndarray) -> Tensor:
    """``(I − B_ii)⁻¹ b_i`` of ``some [members]``, everybody else frozen (but for users who look at it): ``[size]``.

    NaN where a member has no answer, and for all others.
    """
    if not resolvent.dynamics.layout.minds:
        return _through_flows(resolvent.flows, b, some)
    out, owners = torch.full_like(b, torch.nan), resolvent.dynamics.layout.owners()
    for member in np.flatnonzero(some).tolist():
        own = (owners == member).nonzero().squeeze(-1)
        eye = torch.eye(len(b), dtype=b.dtype)[own]
        columns = torch.cat([resolvent.push(eye[part]) for part in resolvent.batches(len(own))])
        inner = torch.eye(len(own), dtype=b.dtype) - columns[:, own].T
        solved, info = torch.linalg.solve_ex(inner, b[own])
        out[own] = solved if not bool(info) else torch.nan
    return out


def _through_flows(flows: LinearFlows, b: Tensor, some: np.ndarray) -> Tensor:
    """``(I − B_ii)⁻¹ b_i`` of some members, everybody else frozen: ``[size]`` from ``b [size]``."""
    out = torch.full_like(b, torch.nan)
    for fit in flows.fits:
        rows = np.flatnonzero(some[fit.task.members])
        if not len(rows):
            continue
        few = fit if len(rows) == len(fit.task.members) else fit.of(torch.from_numpy(rows))
        here = flows.dynamics.layout.numbers_of(fit.task.members[rows])
        solved = krylov.solve(partial(_own_answer, flows, few, _own_flows(flows, fit, rows)), b[here], 1e-13)
        sound = solved.residual <= 1e-8  # else I − B_ii is singular, and there is no answer
        out[here] = torch.where(sound.unsqueeze(-1), solved.x, torch.nan)
    return out


def _own_flows(flows: LinearFlows, fit: Fit, rows: np.ndarray) -> list[Bundle]:
    """The self-loops of some rows of a task, each owned by its place among them."""
    members, place = torch.from_numpy(fit.task.members), np.full(len(fit.task.members), -1)
    place[rows] = np.arange(len(rows))
    producer, where = torch.from_numpy(flows.dynamics.wiring.producer), torch.from_numpy(place)
    found = []
    for bundle in fit.task.bundles:
        own = (producer[bundle.component] == members[bundle.owner]) & (where[bundle.owner] >= 0)
        if bool(own.any()):
            part = narrowed(bundle, own.nonzero().squeeze(-1))
            found.append(replace(part, owner=where[part.owner]))
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
