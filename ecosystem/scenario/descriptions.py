"""What a scenario is made of: members (nodes) and flows (edges)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from torch import Tensor, nn

from ecosystem.core.arguments import meant, spelled
from ecosystem.core.check import as_tensor, brief, real_number, whole_number
from ecosystem.core.samples import Pairs, Samples, TokenCodec
from ecosystem.curation import Blind, Curator, Demand, Users
from ecosystem.generators import GenerativeModel
from ecosystem.generators.base import codec_of
from ecosystem.retention import Retention, as_retention, replace
from ecosystem.rewards import as_reward
from ecosystem.schedules import Schedule, as_schedule, every
from ecosystem.transforms import as_transform

_LONGEST = 1_000_000  # rounds of delay: so many states are kept
TOLERANCE = 1e-9  # by which shares may miss 1 through rounding
_ANYBODY = Blind()  # the curator of those who only judge: one object, so that equal tastes are one


@spelled
@dataclass(frozen=True, eq=False)
class Member:
    """A generative model, its users' taste, how they curate, and when it retrains.

    ``reward`` is any callable ``[..., *event] -> [...]``; ``curator`` chooses on flows that are ``chosen_by`` this
    member's users; ``real`` is a tensor ``[m, *event]``, ``Pairs``, a generator or any ``(n, rng) -> samples``;
    ``agent`` is a subclass of ``ModelAgent`` with behaviour of its own. ``asked`` are the inputs ``[m, *input]`` that
    this member's users judge a conditional model by (held-out prompts), by default those of its real data. ``learn``
    moves the taste of its users after each round by what they saw of it: ``Drift(beta)``, ``Habit(function)``.
    ``demand`` makes of the member a group of users who choose which members they use: ``Demand(names, Softmax(0.1))``.
    """

    generator: GenerativeModel
    reward: Any
    curator: Curator | None
    real: Any
    schedule: Schedule
    retention: Retention
    agent: type | None
    asked: Tensor | None
    learn: Any
    demand: Demand | None

    def __init__(
        self,
        generator: GenerativeModel,
        *,
        reward: Any = None,
        curator: Curator | None = None,
        real: Any = None,
        schedule: Any = every(1),  # noqa: B008 - frozen
        retention: Retention = replace(),  # noqa: B008 - frozen
        agent: type | None = None,
        asked: Any = None,
        learn: Any = None,
        demand: Demand | None = None,
    ) -> None:
        if not isinstance(generator, GenerativeModel):
            raise TypeError(f"Member(generator) must be a GenerativeModel, got {brief(generator)}{_instead(generator)}")
        if "_parameters" not in vars(generator):
            raise TypeError(
                f"Member(generator) is a {type(generator).__name__} whose __init__ does not begin with "
                "super().__init__(), as those of torch modules must"
            )
        if curator is not None and not isinstance(curator, Curator):
            own = "; derive a class of your own from Curator" if hasattr(curator, "curate") else ""
            raise TypeError(f"Member(curator) must be a curator such as Luce(4), got {brief(curator)}{own}")
        if demand is not None and not isinstance(demand, Demand):
            raise TypeError(f"Member(demand) is a Demand(names, Softmax(0.1)), got {brief(demand)}")
        if agent is not None and not isinstance(agent, type):
            raise TypeError(f"Member(agent) is a subclass of ModelAgent (the class itself), got {brief(agent)}")
        fields = {
            "generator": generator,
            "reward": None if reward is None else as_reward(reward),
            "curator": curator,
            "real": real,
            "schedule": as_schedule(schedule),
            "retention": as_retention(retention),
            "agent": agent,
            "asked": None if asked is None else as_tensor(asked, "Member(asked)"),
            "learn": learn,
            "demand": demand,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        if learn is not None:
            self.audience  # noqa: B018 - refuses tastes that cannot move
        if curator is not None and curator.needs_reward and reward is None:
            raise ValueError(f"a member whose users curate by {curator} needs a reward: Member(..., reward=...)")

    @property
    def prompts(self) -> Tensor | None:
        """What its generator is asked until it has been trained, ``[m, *input]``; None where it answers nothing."""
        own = getattr(self.generator, "prompts", None)
        return self.real.inputs if own is None and isinstance(self.real, Pairs) else own

    @property
    def questions(self) -> Tensor | None:
        """What its users ask a conditional model when they judge it, ``[m, *input]``."""
        if self.asked is not None:
            return self.asked
        return self.real.inputs if isinstance(self.real, Pairs) else self.prompts

    @property
    def users(self) -> Users | None:
        """Who chooses on flows that this member's users curate."""
        return None if self.curator is None else self.audience

    @cached_property
    def audience(self) -> Users:
        """By whose taste it is judged: its users, whether they choose or not."""
        return Users(self.reward, self.curator or _ANYBODY, self.learn)


@spelled
@dataclass(frozen=True, eq=False)
class Flow:
    """What a consumer takes from a producer, as shares of the consumer's training data.

    ``raw`` is taken as generated, ``curated`` after a choice by the ``"producer"``'s users (before the transform),
    the ``"consumer"``'s (after it), or by ``Users(reward, curator)`` of the flow's own (before it). ``delay = d``
    reads what the producer had at the end of round ``t − 1 − d``; ``0`` also this round's where the ordering allows.
    """

    raw: float = 0.0
    curated: float = 0.0
    chosen_by: Literal["producer", "consumer"] | Users = "producer"
    transform: Any = None
    delay: int = 0

    def __init__(
        self,
        raw: float = 0.0,
        curated: float = 0.0,
        *,
        chosen_by: Literal["producer", "consumer"] | Users = "producer",
        transform: Any = None,
        delay: int = 0,
    ) -> None:
        for name, value in (("raw", raw), ("curated", curated)):
            if not 0 <= real_number(value) <= 1 + TOLERANCE:
                raise ValueError(f"Flow({name}) is a share between 0 and 1, got {brief(value)}")
        whole_number(delay, "Flow(delay)", 0, of="rounds", high=_LONGEST)
        side = isinstance(chosen_by, str) and chosen_by in ("producer", "consumer")
        if not side and not isinstance(chosen_by, Users):
            raise ValueError(
                f"Flow(chosen_by) is 'producer', 'consumer' or Users(reward, curator), got {brief(chosen_by)}"
            )
        fields = {
            "raw": float(raw),
            "curated": float(curated),
            "chosen_by": chosen_by,
            "transform": None if transform is None else as_transform(transform),
            "delay": delay,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def _instead(given: Any) -> str:
    """What to give instead of what is no generator."""
    if isinstance(given, type):
        return f"; give a model, {given.__name__}(...), not its class" if issubclass(given, GenerativeModel) else ""
    if not isinstance(given, nn.Module):
        return ""
    return (
        "; derive its class from ecosystem.generators.GenerativeModel instead of nn.Module, set event_shape, write "
        "sample(n, rng) and loss(batch, rng), or fit(data, rng)"
    )


def curated_by(flow: Flow, producer: Member, consumer: Member) -> Users | None:
    """Whose users choose on a flow."""
    if isinstance(flow.chosen_by, Users):
        return flow.chosen_by
    return (producer if flow.chosen_by == "producer" else consumer).users


@dataclass(frozen=True)
class _ReEncoded:
    """Texts in the tokens of those who receive them, after what else a flow makes of them."""

    codec: TokenCodec
    before: Any = None

    @property
    def __name__(self) -> str:
        return "re-encoded" if self.before is None else f"{self.before}, re-encoded"

    def __call__(self, x: Pairs) -> Samples:
        y = x if self.before is None else self.before(x)
        if isinstance(y, Pairs) and y.codec is None:
            raise ValueError(
                f"the transform {self.before} gives pairs that do not say whose tokens they are; let it make them by a "
                "codec, codec.pairs(prompts, answers), or keep that of what it is given, Pairs(..., codec=pairs.codec)"
            )
        return self.codec.recoded(y)


def in_tokens(flow: Flow, producer: Member, consumer: Member) -> Flow:
    """The flow with a transform to the consumer's tokens, where the producer's texts are in others."""
    mine, theirs = codec_of(consumer.generator), codec_of(producer.generator)
    if mine is None or theirs is None or mine == theirs:
        return flow
    return dataclasses.replace(flow, transform=_ReEncoded(mine, flow.transform))


Part = TypeVar("Part", Member, Flow)


def replaced(part: Part, where: str, changes: Mapping[str, Any]) -> Part:
    """A member or flow with other parts; ``where`` names it when a part is unknown or does not fit the others."""
    check_parts(where, [field.name for field in dataclasses.fields(part)], changes)
    try:
        return dataclasses.replace(part, **changes)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from error


def check_parts(where: str, known: Iterable[str], changes: Mapping[str, Any]) -> None:
    """Refuse changes of what is not ``known``."""
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise TypeError(f"{where} changes {', '.join(known)}, not {', '.join(unknown)}{meant(unknown[0], known)}")
