"""Judging: the expected reward of a generator's output, exact where its family knows it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.samples import Samples, TokenCodec, concatenated, folded, outputs
from ecosystem.core.streams import Stream
from ecosystem.curation import Users
from ecosystem.engine.audience import in_cell, one
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.program import Program
from ecosystem.engine.stacks import span
from ecosystem.engine.state import State
from ecosystem.engine.wiring import Judge
from ecosystem.generators.base import asked, codec_of
from ecosystem.rewards import Reward

_NUMBERS = 1 << 22  # drawn at a time

Questions = Sequence[Sequence[Tensor | None]]


@dataclass(frozen=True)
class Taste:
    """By whose taste some ``rows`` of a cohort are judged, ``reward [rows, variants, replicates or 1]``.

    ``members`` are their places in the scenario, ``questions`` what they are asked. ``where [rows, variants,
    replicates]`` says in which replicates; None: everywhere.
    """

    rows: Tensor
    members: Tensor
    questions: Questions
    reward: Reward
    where: Tensor | None
    whole: bool  # all rows, in order

    @cached_property
    def span(self) -> slice | Tensor:
        """The places, as a slice where they follow each other."""
        return span(self.members)

    def judged(self, stack: Stack) -> Stack:
        """Those of a cohort that are judged."""
        return stack if self.whole else stack.take(self.rows)


def tastes(program: Program, state: State, c: int) -> list[Taste]:
    """The tastes by which the members of a cohort are judged now; worked out anew only where somebody has changed."""
    source = (state.wiring, state.audience)
    kept = program.memo.get(("tastes", c))
    if kept is None or any(a is not b for a, b in zip(kept[0], source, strict=True)):
        kept = program.memo["tastes", c] = source, _tastes(program, state, c)
    return kept[1]


def _tastes(program: Program, state: State, c: int) -> list[Taste]:
    audience = state.audience
    groups: dict[Hashable, list[tuple[int, Judge]]] = {}  # a member with several judges stands in as many
    kinds = [None if stack.reward is None else one(stack.reward).kind() for stack in audience.stacks]
    for row, member in enumerate(program.cohorts[c].ids):
        for number, judge in enumerate(state.wiring.judges[member]):
            groups.setdefault((kinds[judge.place[0]], number), []).append((row, judge))
    out = []
    for many in groups.values():
        where = None
        if any(judge.where is not None for _, judge in many):
            whole = torch.ones_like(state.alive)
            where = torch.stack([whole if judge.where is None else judge.where for _, judge in many])
        listed = [row for row, _ in many]
        rows = torch.tensor(listed).to(program.home.device)
        members = program.cohorts[c].index[rows]
        asked = [program.questions[program.cohorts[c].ids[row]] for row in listed]
        reward = audience.rewards([judge.place for _, judge in many])
        whole = listed == list(range(len(program.cohorts[c].ids)))
        out.append(Taste(rows, members, asked, reward, where, whole))
    return out


def alignments(program: Program, state: State, number: int, judged: int) -> Tensor:
    """The alignment of every member by the taste of its users as it is now, ``[members, variants, replicates]``.

    NaN where a member has no reward; ``number`` is the round whose noise judges, ``judged`` the number of samples where
    no closed form is known.
    """
    out = torch.full_like(state.active, torch.nan, dtype=torch.float64)
    for c in range(len(program.cohorts)):
        for taste in tastes(program, state, c):
            rng = partial(judges, program, number, taste.members)
            values = expectation(taste.judged(state.now[c]), taste.reward, rng, judged, taste.questions)
            if taste.where is not None:
                values = torch.where(taste.where, values, out[taste.span])
            out[taste.span] = values.to(out.dtype)
    return out


def opinion(program: Program, state: State, number: int, judged: int, judge: str, of: str) -> Tensor:
    """The expected reward of a member's output under a judge's taste, ``[variants, replicates]``."""
    (c, row), (source, place) = program.places[judge], program.places[of]
    stack = state.now[source].take(slice(place, place + 1))
    member = torch.tensor([program.index[of]]).to(program.home.device)
    mine, theirs = ([codec_of(s.member(name).generator) for s in program.scenarios] for name in (judge, of))
    asked = [
        question if question is None or codec is None else codec.asked(question, own)
        for question, codec, own in zip(program.questions[program.index[judge]], theirs, mine, strict=True)
    ]
    out = torch.full_like(state.alive, torch.nan, dtype=torch.float64)
    found = False
    for taste in tastes(program, state, c):
        for i in (taste.rows == row).nonzero().flatten():
            reward = taste.reward.take(i.reshape(1))
            rng = partial(judges, program, number, member)
            values = expectation(stack, reward, rng, judged, [asked], mine[0])[0]
            out, found = values if taste.where is None else torch.where(taste.where[i], values, out), True
    if not found:
        raise ValueError(f"{judge!r} has no reward to judge by; give it one: Member(..., reward=...)")
    return out


def opinions(program: Program, state: State, number: int, judged: int, judge: str, of: Sequence[str]) -> list[Tensor]:
    """Those of several members, one for each: closed forms of one cohort at once, the others one by one."""
    cohorts: dict[int, list[int]] = {}
    for i, name in enumerate(of):
        cohorts.setdefault(program.places[name][0], []).append(i)
    found: dict[int, Tensor] = {}
    for source, many in cohorts.items():
        places = torch.tensor([program.places[of[i]][1] for i in many]).to(program.home.device)
        known = _known(program, state, judge, state.now[source], places) if len(many) > 1 else None
        found |= {} if known is None else dict(zip(many, known, strict=True))
    return [
        found[i] if i in found else opinion(program, state, number, judged, judge, name) for i, name in enumerate(of)
    ]


def _known(program: Program, state: State, judge: str, stack: Stack, places: Tensor) -> Tensor | None:
    """What a judge expects of members of one cohort, ``[places, variants, replicates]``; None without closed forms."""
    c, row = program.places[judge]
    if isinstance(stack, Looped):
        return None
    some, out = stack.take(places), None
    for taste in tastes(program, state, c):
        for i in (taste.rows == row).nonzero().flatten():
            try:
                values = some.expect(taste.reward.take(i.expand(len(places)))).expand(some.batch_shape)
            except NoPopulationLaw:
                return None
            blank = torch.full_like(values, torch.nan) if out is None else out
            out = values if taste.where is None else torch.where(taste.where[i], values, blank)
    return None if out is None else out.to(torch.float64)


def users_of(state: State, member: int, variant: int, replicate: int) -> Users | None:
    """By whose taste a member is judged in one variant and replicate, as they are now; None where it has no taste."""
    for judge in state.wiring.judges[member]:
        if judge.where is None or bool(judge.where[variant, replicate]):
            return in_cell(state.audience.at(judge.place), variant, replicate)
    return None


def judges(program: Program, number: int, members: Tensor) -> Stream:
    """The streams by which some members are judged in a round, ``[members, 1, replicates]``."""
    keys = program.rng.at("judge").at(number).keys.reshape(1, 1, -1)
    return Stream(keys).at(program.words[members].reshape(-1, 1, 1))


def expectation(
    stack: Stack,
    reward: Reward,
    judges: Callable[[], Stream],
    judged: int,
    questions: Questions,
    codec: TokenCodec | None = None,
) -> Tensor:
    """``E r(x)``, ``[members, variants, replicates]``; a mean over ``judged`` samples where no closed form is known.

    ``judges()`` are their streams ``[members, 1, replicates]``: equal replicates of different variants are judged by
    equal noise. ``questions [members][variants]`` are the inputs ``[m, *input]`` that conditional models are asked.
    Of texts in other tokens than ``codec`` a reward that does not read texts is shown those of ``codec``.
    """
    if not isinstance(stack, Looped):
        try:
            return stack.expect(reward).expand(stack.batch_shape)
        except NoPopulationLaw:
            pass
    rng = judges()
    size = judged * math.prod(stack.event_shape) * math.prod(stack.batch_shape[1:])
    step = max(1, _NUMBERS // max(1, size))
    parts = []
    for row in range(0, stack.batch_shape[0], step):
        rows = slice(row, row + step)
        x = answers(stack.take(rows), rng[rows], judged, questions[rows])
        x = x if codec is None or reward.of_texts else codec.recoded(x)
        parts.append(_mean(reward, reward.take(rows).judge(x, 4).detach(), x))
    return torch.cat(parts)


def _mean(reward: Reward, value: Tensor, x: Samples) -> Tensor:
    """The mean over samples of rewards ``[members, variants, replicates, n]``."""
    if value.shape != x.shape[:4]:
        raise ValueError(
            f"the reward {reward} gave {value.numel()} numbers for {x.shape[:4].numel()} samples; it must return one "
            "for each, shape [n] for samples [n, *event]"
        )
    if not bool(torch.isfinite(value).all()) and bool(torch.isfinite(outputs(x)).all()):
        warnings.warn(
            f"the reward {reward} is NaN or infinite for finite samples; alignments are NaN or infinite there, and the "
            "table `failures` says where",
            RuntimeWarning,
            stacklevel=2,
        )
    return value.to(torch.float64).mean(-1)


def answers(stack: Stack, rng: Stream, n: int, questions: Questions) -> Samples:
    """Samples of all members of a stack, of conditional ones answers to questions.

    ``[members, variants, replicates, n, *event]``; ``rng`` has keys ``[members, 1, replicates]``.
    """
    if not isinstance(stack, Looped):
        return stack.sample(n, rng)
    keys = rng.keys.expand(stack.batch_shape)
    drawn = [
        shown(stack, i, n, Stream(keys[cell]), questions[cell[0]][cell[1]])
        for i, cell in enumerate(np.ndindex(*stack.batch_shape))
    ]
    return folded(concatenated(drawn), *stack.batch_shape, n)  # type: ignore[type-var]


def shown(stack: Looped, index: int, n: int, rng: Stream, questions: Tensor | None) -> Samples:
    """``n`` samples of model ``index`` of the flattened grid, of a conditional one answers to ``questions``."""
    if stack.models.flat[index].input_shape is None or questions is None:
        return stack.sample_one(index, n, rng)
    return stack.respond_one(index, asked(questions, n, rng), rng)
