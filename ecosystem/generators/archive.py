"""Archives: what members publish is kept and read. A node that does not learn but stores, shelf by shelf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor

from ecosystem.core.check import a_shape, as_tensor, brief
from ecosystem.core.laws import Finite, Law, NoPopulationLaw, Normal, pick
from ecosystem.core.mixtures import Mixture
from ecosystem.core.samples import TrainingSet
from ecosystem.core.streams import Stream, on_device
from ecosystem.core.words import listed
from ecosystem.curation.base import Curator
from ecosystem.generators.base import GenerativeModel
from ecosystem.generators.closed_form import ClosedForm

HUMAN = "real"  # the shelf of real data


class Archive(ClosedForm):
    """What several members have written, each on its shelf: the mixture of what it took in, by the shares of its flows.

    ``Member(Archive({"a": model, "b": model}))`` is a node; its keys are those who write there (``"real"``: what comes
    from its real data), the values what stands there before the first round, with ``weights`` (equal unless given).
    From then on the weights are the shares of its flows, and the law is ``Σ_j w_j p_j``. Users who choose on a flow out
    of it see candidates of all shelves, so they choose between producers. What it keeps over rounds is for its
    member's retention to say.

    On the population shelves hold laws: of symbols with any retention, of vectors normal ones, of the newest rounds
    (``replace``, ``window``; everything ever written is a mixture that grows, and ``window(n)`` is it in a run of ``n``
    rounds). What users keep of a mixture is exact for linear rewards under ``Luce``, ``BestOf``, ``TopFraction``,
    ``Threshold`` and ``Tilt`` (for quadratic ones too), and for ``Within`` on a line. With samples an archive keeps the
    samples themselves, and readers draw from these with replacement: any generator may write there. What survives of
    whom is told by ``Record(measures=[survivors])``.

    Raises
    ------
    TypeError, ValueError
        If a shelf is no generator, shapes of samples differ, or weights are none.
    NoPopulationLaw
        On the population, where a shelf would hold another law than a normal one, or one on symbols.

    >>> from ecosystem.curation import Luce, Users
    >>> from ecosystem.generators import Location
    >>> from ecosystem.rewards import Linear
    >>> web = Archive({"a": Location([0.0]), "b": Location([1.0])})
    >>> web.survivors(Users(Linear([1.0]), Luce(2)))
    tensor([0.4125, 0.5875], dtype=torch.float64)
    """

    PARAMETERS: ClassVar[dict[str, int]] = {"held": 2}
    SETTINGS: ClassVar[tuple[str, ...]] = ("event_shape", "names", "symbols", "width")
    stores: ClassVar[bool] = True
    names: tuple[str, ...]  # of the shelves
    width: int  # how many numbers tell a shelf; 0 where it has no law that could be held
    first: _First
    held: Tensor  # of each shelf its weight times what its law is told by: see ``statistic_of``
    kept: Tensor | None  # the samples that it keeps [n, *event]; None on the population, and before the first round
    writers: Tensor | None  # the place in ``names`` of who made each, [n]

    def __init__(self, shelves: Mapping[str, GenerativeModel], weights: Any = None) -> None:
        if not isinstance(shelves, Mapping) or not shelves:
            raise TypeError(
                f"Archive(shelves) is a dict: who writes there, and what is there first; got {brief(shelves)}"
            )
        models = dict(shelves)
        for name, model in models.items():
            if not isinstance(name, str) or not isinstance(model, GenerativeModel):
                raise TypeError(f"Archive(shelves): {brief(name)} must be a name, of a generator, got {brief(model)}")
            a_shape(getattr(model, "event_shape", None), f"the generator of the shelf {name!r}")
        if asked := [name for name, model in models.items() if model.input_shape is not None]:
            raise ValueError(
                f"an Archive keeps samples without inputs, and {asked[0]!r} answers some; let it keep the answers: a "
                "flow with the transform lambda pairs: pairs.outputs"
            )
        kinds = {name: (tuple(m.event_shape), m.symbols) for name, m in models.items()}
        event, symbols = next(iter(kinds.values()))
        if other := [name for name, kind in kinds.items() if kind != (event, symbols)]:
            raise ValueError(
                f"the shelves of an Archive hold samples of one kind, and those of {other[0]!r} are of another shape, "
                f"{kinds[other[0]][0] or 'symbols'}, than {event or 'symbols'}; build an archive for each"
            )
        even = torch.full((len(models),), 1 / len(models), dtype=torch.float64)
        numbers = even if weights is None else as_tensor(weights, "weights", torch.float64).to(torch.float64)
        if numbers.shape != (len(models),) or not bool((numbers >= 0).all()) or abs(float(numbers.sum()) - 1) > 1e-6:
            raise ValueError(
                f"Archive(weights) are at least 0 and add up to 1, one for each of {len(models)} shelves, got "
                f"{brief(weights)}"
            )
        self.__dict__.update(names=tuple(models), symbols=symbols, width=_width(event, models))
        held = numbers.unsqueeze(-1)
        if self.width:
            laws = [cast(ClosedForm, model).law() for model in models.values()]
            held = held * torch.stack([self.statistic_of(law) for law in laws])
        super().__init__(event, held=held)
        self.__dict__["first"] = _First(tuple(models.values()), numbers / numbers.sum())
        self.register_buffer("kept", None)
        self.register_buffer("writers", None)

    # -- on the population -----------------------------------------------------------------------------------------

    def law(self) -> Law:
        if not self.width:
            raise NoPopulationLaw(
                f"an archive of what {listed(map(repr, self.names))} make, whose laws it cannot hold,"
            )
        if self.symbols is not None:
            return Finite(self.held.sum(-2))
        size = _dimension(self.width)
        weights, rest = self.held[..., 0], self.held[..., 1:] / _safe(self.held[..., :1])
        weights = weights / weights.sum(-1, keepdim=True) if weights.shape[-1] > len(self.names) else weights
        return Mixture(weights, Normal(rest[..., :size], rest[..., size:].unflatten(-1, (size, size))))

    def noise(self, n: int, rng: Stream) -> Tensor:
        if self.symbols is not None:
            return rng.uniform(n, 1)
        return torch.cat([rng.at("component").uniform(n, 1), rng.normal(n, _dimension(self.width))], -1)

    def statistic_of(self, law: Law) -> Tensor:
        """What one shelf is told by: probabilities of symbols; 1, mean and covariance of a normal law."""
        if not self.width:
            self.law()
        if isinstance(law, Finite):
            if self.symbols is None:
                raise TypeError("this Archive keeps vectors, this flow carries symbols")
            return law.within(self.symbols).probabilities
        if self.symbols is not None:
            raise TypeError("this Archive keeps symbols, this flow carries vectors")
        if not isinstance(law, Normal):
            raise NoPopulationLaw(
                f"a shelf of an archive that takes a law of the kind {type(law).__name__}, not normal,"
            )
        return torch.cat([torch.ones_like(law.mean[..., :1]), law.mean, law.covariance.flatten(-2)], -1)

    def shelved(self, values: Tensor, shelf: Tensor) -> Tensor:
        """What some producers send ``[origins, ..., q]``, on its ``shelf [origins]``, ``[origins, ..., C·q]``."""
        mark = shelf.unsqueeze(-1) == torch.arange(len(self.names), device=shelf.device)
        return (mark.reshape(len(shelf), *(1,) * (values.ndim - 2), -1, 1) * values.unsqueeze(-2)).flatten(-2)

    def refit(self, statistic: Tensor) -> Self:
        newest = statistic.unflatten(-1, (len(self.names), -1))
        if self.symbols is not None:  # a choice of K makes K times what rounding adds to the mass; archives may circle
            newest = newest / newest.sum((-1, -2), keepdim=True)
        older = self.held[..., : self.held.shape[-2] - len(self.names), :]
        return self.rebuild({"held": torch.cat([newest, older], -2) if older.shape[-2] else newest})

    def remembering(self, rounds: int) -> Self:
        """The same with room for the shelves of so many rounds, the newest in front; what stands there goes first."""
        blank = self.held.new_zeros((rounds - 1) * len(self.names), self.held.shape[-1])
        return self.rebuild({"held": torch.cat([blank, self.held])})

    def tangent(self, change: Tensor) -> Tensor:
        return change - change.mean(-1, keepdim=True) if self.symbols is not None else change

    def check_diet(self, name: str, written: Mapping[str, Any], real: bool, retention: Any, population: bool) -> None:
        """Refuse who has no shelf, ``written`` by producer, and what shelves of normal laws cannot hold."""
        known, writers = listed(map(repr, self.names)), [*written, *([HUMAN] if real else [])]
        if unknown := [writer for writer in writers if writer not in self.names]:
            raise ValueError(
                f"the archive {name!r} has no shelf for {unknown[0]!r}, who writes there; it has {known}: give it one, "
                "Archive({..., " + repr(unknown[0]) + ": what is there first})"
            )
        if not population and retention.remembers and not retention.keeps:
            raise ValueError(
                f"the archive {name!r} keeps samples, and {retention} acts on statistics alone; use window(n), "
                "accumulate(), or the population (samples=None)"
            )
        if not population or self.symbols is not None:
            return
        both = [u for u, flow in written.items() if flow.raw and flow.curated]
        if both:
            raise two_laws(both[0], name)
        if retention.newest is None:
            hint = " (window(n) keeps as much in a run of n rounds, and has a law)" if retention.averages else ""
            raise NoPopulationLaw(
                f"the archive {name!r} of vectors with {retention}, a mixture that grows each round{hint},"
            )

    # -- with samples ----------------------------------------------------------------------------------------------

    def sample(self, n: int, rng: Stream) -> Any:
        if self.batch_shape:
            return super().sample(n, rng)
        lots = rng.at("shelf").uniform(n, dtype=torch.float64)
        if self.kept is None:
            return self.first.sample(n, lots, rng)
        return self.kept[(lots * len(self.kept)).long().clamp_(max=len(self.kept) - 1)]

    def fit(self, data: Any, rng: Stream | None = None) -> None:
        """Keep a training set whose ``origin`` says on which shelf each of its samples belongs."""
        if not isinstance(data, TrainingSet):
            raise TypeError(
                f"an Archive keeps a TrainingSet, which says who made each sample, got {brief(data)}; in ecosystems it "
                "gets one"
            )
        self._buffers.update(kept=cast(Tensor, data.data), writers=data.origin)

    # -- who survives ----------------------------------------------------------------------------------------------

    def survivors(self, users: Any = None) -> Tensor:
        """Whose what ``users`` keep of it is, ``[*batch, C]`` in the order of ``names``: ``w_j E_j[h]``, exact.

        With samples it is that of what the archive keeps now; NaN before its first round where shelves have no laws,
        and of crowds and quotas.
        Without users, or where they move or keep everything: its weights.
        """
        if users is not None and (users.curator.blind or users.curator.shift() is not None):
            users = None
        if self._buffers.get("kept") is not None:
            return _of_samples(self, users)
        if not self.width:
            return self.held[..., 0] if users is None else torch.full_like(self.held[..., 0], torch.nan)
        if self.symbols is not None:
            if users is None:
                return self.held.sum(-1)
            law = cast(Finite, self.law())
            kept = users.law(law).probabilities / _safe(law.probabilities)
            return (self.held * kept.unsqueeze(-2)).sum(-1)
        law = self.law() if users is None else users.law(self.law())
        if not isinstance(law, Mixture):
            raise NoPopulationLaw(f"whose it is what {users and users.curator} keeps of an archive")
        return law.weights.unflatten(-1, (-1, len(self.names))).sum(-2)


class _First:
    """What stands in an archive before the first round; it never changes."""

    def __init__(self, models: tuple[GenerativeModel, ...], weights: Tensor) -> None:
        self.models, self.weights = models, weights

    def __deepcopy__(self, memo: dict[int, Any]) -> _First:
        return self

    def sample(self, n: int, lots: Tensor, rng: Stream) -> Tensor:
        """``n`` samples by the shelves that ``lots [n]`` pick."""
        shelf = pick(self.weights.to(lots.device).expand(n, -1), lots)
        home = on_device(rng, self.weights.device)  # they never move
        drawn = torch.stack([model.sample(n, home.at(number)) for number, model in enumerate(self.models)])
        drawn = drawn.to(lots.device)
        return drawn[shelf, torch.arange(n, device=shelf.device)]


def two_laws(writer: str, name: str) -> NoPopulationLaw:
    """The refusal of a shelf that would hold a mixture itself."""
    return NoPopulationLaw(f"the shelf of {writer!r} in {name!r}, raw and curated at once and so no normal law,")


def _of_samples(archive: Archive, users: Any) -> Tensor:
    """Whose the samples are that survive of those that are kept: each is a symbol, of equal probability."""
    kept = archive.kept
    assert kept is not None and archive.writers is not None
    p = torch.full((len(kept),), 1 / len(kept), dtype=torch.float64, device=archive.writers.device)
    if users is not None and type(users.curator).on_finite is Curator.on_finite:  # crowds, whose users differ; quotas
        return p.new_full((len(archive.names),), torch.nan)
    if users is not None:
        rewards = None if users.reward is None else users.reward.judge(kept).detach().to(p)
        p = users.curator.on_finite(p, rewards, {})
    return p.new_zeros(len(archive.names)).index_add(0, archive.writers, p)


def _width(event: tuple[int, ...], models: Mapping[str, GenerativeModel]) -> int:
    """How many numbers tell a shelf of these: 0 where some have no law that it can hold."""
    laws: list[Law | None] = []
    for model in models.values():
        try:
            laws.append(model.law() if isinstance(model, ClosedForm) else None)
        except NoPopulationLaw:
            laws.append(None)
    if isinstance(laws[0], Finite) and all(isinstance(law, Finite) for law in laws):
        return laws[0].probabilities.shape[-1]
    d = torch.Size(event).numel()
    return 1 + d + d * d if all(isinstance(law, Normal) for law in laws) else 0


def _dimension(width: int) -> int:
    """``d`` of ``1 + d + d²`` numbers."""
    return int(((4 * width - 3) ** 0.5 - 1) / 2 + 0.5)


def _safe(weights: Tensor) -> Tensor:
    return torch.where(weights > 0, weights, 1.0)
