"""What is observed of members round by round, as functions of a state that torch can differentiate."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import brief
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.words import listed
from ecosystem.engine.judging import tastes
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.wiring import CURATED
from ecosystem.generators import ClosedForm
from ecosystem.running.measures import Exact
from ecosystem.running.measures.archive import Archive

Column = Callable[[Program, State], Tensor]  # [members, replicates]; NaN of members that have none
_PART = re.compile(r"([\w.]+)\[(\d+(?:,\s*\d+)*)\]")
KNOWN = (
    "alignment, curated (a level), and numbers of a generator's parameters: mean[0], probabilities[2], covariance[0,1]"
)


def columns(names: Sequence[str], measures: Sequence[Any] = ()) -> dict[str, Column]:
    """The measures of these names: ``alignment``, ``curated`` (the level of a diet: the share that users chose),
    ``mean[0]`` (a number of a parameter of the generator, which members without it do not have), and any :class:`Exact`
    measure, given in ``measures``, by its name.

    Raises
    ------
    TypeError
        If a measure given is no :class:`Exact` one: of others nobody knows how they move.
    ValueError
        For an unknown name.
    """
    own: dict[str, Exact] = {}
    for measure in measures:
        if not isinstance(measure, Exact):
            raise TypeError(
                f"measures are functions of a member's law, as entropy of ecosystem.running.measures (decorate yours "
                f"by @Exact), got {brief(measure)}"
            )
        own[measure.__name__] = measure
    return {name: _column(name, own) for name in names}


def _column(name: str, own: Mapping[str, Exact]) -> Column:
    part = _PART.fullmatch(name)
    if name == "alignment":
        return alignment
    if name == "curated":
        return curated
    if part is not None:
        return _component(part[1], tuple(map(int, part[2].split(","))))
    if name in own:
        return _exact(own[name])
    more = f", {', '.join(own)}" if own else ""
    there = f"there are {KNOWN}{more}, and any that you give: measures=[...]"
    near = meant_among(name, ["alignment", "curated", *own], there)
    raise ValueError(f"there is no measure {name!r} to compare with{near}")


def alignment(program: Program, state: State) -> Tensor:
    """``E r(x)`` where it is known exactly."""
    out = _blank(state)
    for c in range(len(program.cohorts)):
        for taste in tastes(program, state, c):
            with suppress(NoPopulationLaw):
                stack = cast(ClosedForm, taste.judged(state.now[c]))
                moves = any(forward_ad.unpack_dual(t).tangent is not None for t in stack.tensors().values())
                reward = taste.reward.map(carried) if moves else taste.reward
                out = _put(out, taste.members, stack.expect(reward))
    return out


def carried(tensor: Tensor) -> Tensor:
    """A dual number; one that stands still with a derivative of 0, which torch multiplies faster than none at all."""
    still = tensor.is_floating_point() and forward_ad.unpack_dual(tensor).tangent is None
    if not still:
        return tensor
    whole = tensor.contiguous()  # one that several share is a view, to which no derivative can be written
    return forward_ad.make_dual(whole, torch.zeros_like(whole))


def curated(program: Program, state: State) -> Tensor:
    """The level ``λ`` of everybody's diet as it stands; 0 of members that read nobody."""
    wiring, out = state.wiring, torch.zeros_like(_blank(state))
    mine = [(i, c) for i in range(len(wiring.names)) for c in wiring.components_of(i)]
    chosen = [(i, c) for i, c in mine if wiring.components[c].group == CURATED]
    if not chosen:
        return out
    members, places = (torch.tensor(side) for side in zip(*chosen, strict=True))
    return out.index_add(0, members, state.shares[places, 0].expand(-1, out.shape[1]).to(out.dtype))


def _component(name: str, index: tuple[int, ...]) -> Column:
    """One number of a parameter of the members that have it."""

    def column(program: Program, state: State) -> Tensor:
        out = _blank(state)
        for cohort, stack in zip(program.cohorts, state.now, strict=True):
            tensor = _parameter(stack, name)
            size = () if tensor is None else tensor.shape[3:]
            if tensor is not None and len(size) == len(index) and all(i < n for i, n in zip(index, size, strict=True)):
                out = _put(out, cohort.index, tensor[(..., *index)].to(out.dtype))
        return out

    return column


def _parameter(stack: Stack, name: str) -> Tensor | None:
    """A parameter of a cohort by name, ``[rows, variants, replicates, *shape]``; None where it has none, or not all.

    Of models gone through one by one it is what their state dicts have.
    """
    if not isinstance(stack, Looped):
        return stack.tensors().get(name)
    found = [model.state_dict().get(name) for model in stack.models.flat]
    there = [x.detach().cpu() for x in found if x is not None]
    if len(there) < len(found) or len({x.shape for x in there}) > 1:
        return None
    return torch.stack(there).reshape(*stack.batch_shape, *there[0].shape)


def _exact(measure: Exact) -> Column:
    def column(program: Program, state: State) -> Tensor:
        out = _blank(state)
        for group in _archive(program).groups:
            real = None if group.real is None else cast(Any, group.real)
            with suppress(NoPopulationLaw):
                out = _put(
                    out, group.members, measure.of(cast(ClosedForm, state.now[group.cohort].take(group.rows)), real)
                )
        return out

    return column


def _archive(program: Program) -> Archive:
    if "archive" not in program.memo:
        program.memo["archive"] = Archive(program)
    return program.memo["archive"]


def _blank(state: State) -> Tensor:
    return torch.full((state.active.shape[0], state.active.shape[2]), torch.nan, dtype=torch.float64)


def _put(out: Tensor, members: Tensor, value: Tensor) -> Tensor:
    """``value [rows, 1, replicates or 1]`` where the members stand."""
    return out.index_copy(0, members, value[:, 0].expand(-1, out.shape[1]))


def no_value(member: str, measure: str) -> str:
    """Why nothing can be predicted of a member."""
    return (
        f"{measure} of {member!r} has no exact value on the population: it has no such parameter, no reward, or one "
        "whose expectation is not known, or it is not there in that round"
    )


def checked_names(names: Sequence[str], what: str) -> None:
    """Refuse names of measures that are no texts."""
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"{what} are names of measures, {listed([KNOWN])}; got {brief(wrong[0])}")
