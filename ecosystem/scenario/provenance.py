"""Provenance filters: a detector throws synthetic data out of a diet, and some human data with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import brief, real_number
from ecosystem.core.words import listed
from ecosystem.scenario import checks, copies
from ecosystem.scenario.demands import weighed_parts
from ecosystem.scenario.descriptions import Flow
from ecosystem.scenario.scenario import Scenario
from ecosystem.scenario.whole import check_shares


@dataclass(frozen=True)
class Provenance:
    """A detector that recognises synthetic data, by a watermark or a classifier, and what is left after it.

    What a flow brings is recognised, and thrown away, with the probability ``true_positive``: one number for all, or by
    producer (whose watermark it is; of those not named nothing is). Real data are mistaken for synthetic ones with the
    probability ``false_positive``. A member trains on as much as before, so shares are those of what is kept: of a
    synthetic share ``s`` ``s' = s(1−t)/V`` is left, ``V = s(1−t) + (1−s)(1−f)`` being the volume that passes.

    The filter acts on the diet as the scenario declares it: ``filter.on(scenario, "member")`` is a changed copy, whose
    shares and curation levels are those of what is kept. Shares that are changed while it runs are changed after the
    filter. On an archive it acts on what comes in, so every reader is better off for it.

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1], a producer does not write to the member, or nothing would be left; where
        one number for all meets an archive, parts of which may be human; and where users' demand divides a diet of
        which flows pass unequally, for what is kept would change with it.

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> s = Scenario("web", rounds=1)
    >>> s.add("a", Member(Location([1.0])))
    >>> s.add("b", Member(Location([0.0]), real=Location([0.0])))
    >>> s.connect("a", "b", Flow(raw=0.6))
    >>> kept = Provenance(0.9, 0.05)
    >>> round(kept.on(s, "b").flow("a", "b").raw, 10), round(kept.volume(s, "b"), 10)
    (0.1363636364, 0.44)
    """

    true_positive: float | Mapping[str, float]
    false_positive: float = 0.0

    def __post_init__(self) -> None:
        rates = self.true_positive
        named = dict(rates) if isinstance(rates, Mapping) else {"": rates}
        for name, rate in named.items():
            _check_rate(f"true_positive[{name!r}]" if name else "true_positive", rate)
        _check_rate("false_positive", self.false_positive)
        if isinstance(rates, Mapping):
            object.__setattr__(self, "true_positive", named)

    def passing(self, producer: str | None) -> float:
        """How much of what a producer (None: real data) sends is kept."""
        if producer is None:
            return 1 - self.false_positive
        rates = self.true_positive
        return 1 - (rates.get(producer, 0.0) if isinstance(rates, Mapping) else rates)

    def on(self, scenario: Scenario, name: str) -> Scenario:
        """A copy of a scenario in which a member's data come through the filter."""
        checks.check_known(name, scenario.graph, "Provenance")
        flows, volume = scenario.incoming(name, dormant=True), self.volume(scenario, name)
        self._check(scenario, name, flows)
        kept = {
            u: replace(flow, **{part: getattr(flow, part) * self.passing(u) / volume for part in ("raw", "curated")})
            for u, flow in flows.items()
        }
        new = copies.put_flows(scenario.replace(), name, kept)
        return copies.named(new, f"{name} filtered")

    def _check(self, scenario: Scenario, name: str, flows: Mapping[str, Flow]) -> None:
        """Refuse what shares alone do not tell."""
        named = isinstance(self.true_positive, Mapping)
        for u in flows:
            if scenario.member(u).generator.stores and self.passing(u) < 1 and not named:
                raise ValueError(
                    f"Provenance: {name!r} reads the archive {u!r}, parts of which may be human; filter what it takes "
                    f"in, .on(scenario, {u!r}), or say how much of it is recognised, Provenance({{{u!r}: rate}})"
                )
        divided = dict(weighed_parts(scenario, name))  # whose demand, by producer
        rates = {self.passing(u) for u, flow in flows.items() if flow.raw + flow.curated}
        rates |= {self.passing(None)} if None in divided else set()
        if divided and len(rates) > 1:
            who = next(iter(divided.values()))
            raise ValueError(
                f"Provenance: the demand of {who!r} divides what {name!r} reads, and of its producers unequal parts "
                "pass: what is kept would change with demand; give all one true_positive, or filter another member"
            )

    def volume(self, scenario: Scenario, name: str) -> float:
        """How much of what a member is offered passes the filter, of 1."""
        return float(self.table(scenario, name)["kept"].sum())

    def table(self, scenario: Scenario, name: str) -> pd.DataFrame:
        """What a member is offered and what is kept of it: columns source, offered, kept, share (of what is kept)."""
        checks.check_known(name, scenario.graph, "Provenance")
        flows = scenario.incoming(name, dormant=True)
        if isinstance(self.true_positive, Mapping) and (unknown := [u for u in self.true_positive if u not in flows]):
            known = listed(map(repr, flows)) or "nobody"
            near = meant_among(unknown[0], flows, f"it reads {known}")
            raise ValueError(f"Provenance(true_positive): {name!r} has no flow from {unknown[0]!r}{near}")
        check_shares(name, flows, scenario.member(name), complete=True)
        offered = [(u, flow.raw + flow.curated) for u, flow in flows.items()] + [(None, scenario.real_share(name))]
        kept = [share * self.passing(u) for u, share in offered]
        if sum(kept) <= 0:
            raise ValueError(f"{self} leaves nothing of what {name!r} trains on; let something pass")
        names = ["real" if u is None else u for u, _ in offered]
        shares = {
            "offered": [share for _, share in offered],
            "kept": kept,
            "share": [part / sum(kept) for part in kept],
        }
        return pd.DataFrame({"source": names} | shares)


def _check_rate(name: str, rate: float) -> None:
    if not 0 <= real_number(rate) <= 1:
        raise ValueError(f"Provenance({name}) is a probability between 0 and 1, got {brief(rate)}")
