"""The contract of curators: how people choose what is kept.

A curator acts in two ways that agree: ``law(law, reward)`` gives the exact law of what survives, where there is one;
``curate(slate, reward, rng)`` chooses among drawn candidates. Rewards and parameters may be stacked
(``[*batch, ...]``). What else the engine wants to know of a curator it asks of its class; a class that does not say is
treated in the way that is never wrong.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.claims import Claims
from ecosystem.core.drawing import Drawing
from ecosystem.core.laws import Finite, Law, NoPopulationLaw, Normal, unknown
from ecosystem.core.mixtures import Mixture
from ecosystem.core.samples import Samples, outputs
from ecosystem.core.stacking import Stackable
from ecosystem.core.streams import Stream
from ecosystem.rewards import Reward, as_numbers
from ecosystem.rewards.base import one_each


class Slate(Protocol):
    """What users are shown: for each of ``m`` samples to be kept, any number of candidates."""

    def candidate(self, k: int) -> Any:
        """Candidate ``k`` of every sample, ``[m, *event]``; candidates of a pair share its input."""
        ...

    def law(self) -> Law:
        """The law of a candidate, batch ``[m]``."""
        ...

    def noise(self) -> Tensor:
        """The noise candidate 0 is made of, ``[m, q]``."""
        ...

    def pool(self) -> Tensor:
        """Which pool (flow and replicate) each sample belongs to, ``[m]``."""
        ...

    def take(self, index: Tensor) -> Slate:
        """The slates of some of the samples."""
        ...


_LAWS = ("law", "on_finite", "on_normal", "on_gaussian", "on_mixture")


class Curator(Stackable, Claims, Drawing):
    """The contract of all curators: ``curate`` for samples, a law for the population, and what it says of itself.

    What it does to a law it says where it is known: ``on_finite`` on symbols, ``on_normal`` where a normal law meets a
    linear reward, ``on_mixture`` where several wrote, or ``law`` as a whole. A subclass that overrides ``curate`` or
    one of these and no more says nothing again, whatever its parent has said, and has no law or no choice until it
    writes both: they would not agree.

    >>> from ecosystem.core.laws import Normal
    >>> from ecosystem.rewards import Linear
    >>> class Upper(Curator):                        # keeps what lies above the mean: E[u | u > 0] = √(2/π)
    ...     def on_normal(self, scale):
    ...         mean = (2 / torch.pi) ** 0.5 * torch.ones_like(scale)
    ...         return mean, 1 - mean**2
    >>> law = Normal(torch.zeros(1).double(), scale=torch.tensor(2.0).double())
    >>> Upper().law(law, Linear([3.0])).mean
    tensor([1.5958], dtype=torch.float64)
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {
        "law": ("curate", "on_finite", "on_normal", "on_gaussian", "on_mixture"),
        "on_finite": ("curate",),
        "on_normal": ("curate",),
        "on_gaussian": ("curate", "on_normal"),
        "on_mixture": ("curate", "on_normal", "on_gaussian"),
        "curate": _LAWS,
        "needs_reward": ("curate", *_LAWS),
        "chooses": ("curate",),
        "pools": ("curate",),
        "needs_law": ("curate",),
        "pushes": ("curate",),
        "blind": ("curate", *_LAWS),
        "shift": ("curate", *_LAWS),
        **dict.fromkeys(("free", "freed"), ("curate", *_LAWS)),
    }
    DRAWING = ("curate",)
    needs_reward: bool = True  # judges by the reward of the member whose users choose
    chooses: bool = True  # among candidates, and so draws; False: the survivor is known from candidate 0 or its law
    # True: compares the samples of a pool, and sees each pool whole. False: looks at the candidates of each sample
    # alone. None: nobody knows, so it is shown one whole pool at a time
    pools: bool | None = None
    needs_law: bool = False  # asks for ``slate.law()``, which models without a closed form do not have
    pushes: bool = False  # what it keeps is its law's own push of the noise of the raw sample
    blind: bool = False  # whatever is shown is kept as it is
    of_pairs: bool = False  # keeps something of pairs that samples without inputs do not have
    looks: int = 1  # at so many candidates for each sample, roughly: what its choices cost

    def tastes(self) -> tuple[Reward, ...]:
        """Rewards of its own, by which some of its users judge, whoever's users they are: tried before a run."""
        return ()

    def shift(self) -> Tensor | None:
        """The vector ``[*batch, *event]`` that it adds to every sample; None if that is not all that it does."""
        return None

    def free(self) -> dict[str, Tensor]:
        """Positive numbers of it that can be fitted to observations, ``[*batch]`` each, by name; none by default."""
        return {}

    def freed(self, name: str, value: Tensor) -> Self:
        """The same with one of its :meth:`free` numbers, ``value [*batch]`` as it is, so that derivatives pass."""
        raise NotImplementedError(f"{type(self).__name__} has no method freed(name, value) that goes with free()")

    def check(self, event: tuple[int, ...]) -> None:
        """Refuse samples of the shape ``event`` that it cannot choose among: a ValueError or TypeError says why."""
        vector = self.shift()
        if vector is None:
            return
        if not event:
            raise TypeError(f"{type(self).__name__} moves vectors, this flow carries symbols; use Luce, BestOf or Tilt")
        if tuple(vector.shape) != event:
            raise ValueError(
                f"its users shift by a vector of shape {tuple(vector.shape)}, but samples have {event}; "
                f"give {type(self).__name__} a vector of that shape"
            )

    def law(self, law: Law, reward: Reward | None = None, memo: dict[Any, Any] | None = None) -> Law:
        """The law of a survivor; ``memo`` keeps what depends on the reward alone from round to round."""
        vector = self.shift()
        if vector is None:
            if all(getattr(type(self), name) is getattr(Curator, name) for name in _LAWS):
                raise NoPopulationLaw(f"the curator {self}")
            return law.select(reward, self, memo)
        if isinstance(law, Finite):
            raise TypeError(f"{type(self).__name__} moves vectors, this flow carries symbols; use Luce, BestOf or Tilt")
        batch = law.mean.ndim - 1
        return law.shift(vector.flatten(batch) if vector.ndim > batch else vector.flatten())

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor:
        """What survives of ``p [*batch, n]`` by the ``rewards`` of the symbols, broadcastable to it."""
        raise NoPopulationLaw(f"the curator {self}")

    def on_normal(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance ``[*batch]`` of the kept ``u ~ N(0, 1)``, by the reward ``scale · u`` plus a number."""
        raise NoPopulationLaw(f"the curator {self}")

    def on_gaussian(self, law: Normal, reward: Reward | None) -> Law:
        """What survives of a normal law; of linear rewards by ``on_normal``."""
        direction = None if reward is None else reward.linear()
        if direction is None:
            raise unknown(self, reward, law)
        return law.selected(direction, *self.on_normal(law.deviation(direction)))

    def on_mixture(self, law: Mixture, reward: Reward | None) -> Law:
        """What survives of a mixture whose components stay apart, as archives have them: a mixture again."""
        raise unknown(self, reward, law)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Any:
        """One survivor for each of ``m`` samples, ``[m, *event]``; all three have the batch ``[m]``."""
        raise NotImplementedError(
            f"{type(self).__name__} has no method curate(slate, reward, rng) that goes with its law: write one, or run "
            "it on the population"
        )


def lawless(curator: Curator, producer: str, kind: str) -> str:
    """Why a curator that asks for the law of a model that has none is refused."""
    return (
        f"{curator} needs the law of what {producer} makes, and {kind} has none in closed form; let it choose among "
        "candidates, slate.candidate(k), or use Luce(k) with a large k"
    )


def positive(value: Any, what: str) -> Tensor:
    tensor = as_numbers(value, what)
    if tensor.ndim or tensor <= 0:
        raise ValueError(f"{what} must be a positive number, got {brief(value)}")
    return tensor


def hopeless(slate: Slate, rows: Tensor, why: str, mend: str) -> None:
    """Say of some samples, ``rows`` of a slate, that nothing can be kept for them: those replicates are stopped.

    A slate that cannot be told makes it a ValueError, with what to do.
    """
    tell = getattr(slate, "hopeless", None)
    if tell is None:
        raise ValueError(f"{why}; {mend}")
    wrong = torch.zeros(len(slate.pool()), dtype=torch.bool, device=rows.device)
    wrong[rows] = True
    tell(wrong, why)


def judged(reward: Reward, x: Samples, slate: Slate | None = None) -> Tensor:
    """The rewards of one candidate of every sample, ``[m]``; what is NaN is worse than everything.

    The slate is told where a reward of finite samples is no finite number: those replicates are stopped. A slate that
    cannot be told makes it a ValueError.
    """
    value = one_each(reward, reward.judge(x), x).detach().to(torch.float64)
    if slate is None:  # nobody chooses by it
        return value
    wrong = ~torch.isfinite(value)
    if bool(wrong.any()):
        wrong &= torch.isfinite(outputs(x).reshape(len(value), -1)).all(1)
    tell = getattr(slate, "unjudged", None)
    if tell is not None:
        tell(wrong)
    elif bool(wrong.any()):
        raise ValueError(f"the reward {reward} is NaN or infinite for finite samples; let it return finite numbers")
    return torch.where(value.isnan(), -torch.inf, value)
