"""Free numbers of diets: a curation level, a real share, the shares of single flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import a_name, brief
from ecosystem.decisions.free import Free
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.wiring import CURATED, RAW, REAL
from ecosystem.scenario import Scenario, checks, copies
from ecosystem.scenario.descriptions import TOLERANCE, Flow
from ecosystem.scenario.shares import FULL, move_share

EDGE = 1e-6  # how near to 0 and 1 a level or a share that scales others may come: there nothing can be scaled back


@spelled
@dataclass(frozen=True, repr=False)
class Level(Free):
    """The curation level of a member's diet: curated shares scale by ``λ'/λ``, all others by ``(1−λ')/(1−λ)``.

    As :meth:`Scenario.with_curation`; refused at level 0 and 1, which nothing scales.

    >>> Level("hub", low=0.1), Level("hub").name
    (level(hub):0.1:, 'level(hub)')
    """

    member: str

    def __post_init__(self) -> None:
        super().__post_init__()
        a_name(self.member, f"{type(self).__name__}(member)")

    @property
    def name(self) -> str:
        return f"level({self.member})"

    @property
    def remedy(self) -> str:
        return f"step the level (Curate({self.member!r}, ...) in some round)"

    @property
    def diet(self) -> str:
        return self.member

    def value(self, scenario: Scenario) -> float:
        checks.check_known(self.member, scenario.graph, self.name)
        level = scenario.curation(self.member)
        if not 0 < level < FULL:
            raise ValueError(
                f"{self.name} cannot be free: the curation level is {level:.6g}, and neither 0 nor 1 says what would "
                "scale; start from a scenario with a level between them"
            )
        return level

    def natural(self, scenario: Scenario) -> tuple[float, float]:
        return EDGE, 1 - EDGE

    def changed(self, scenario: Scenario, value: float) -> Scenario:
        return scenario.with_curation(self.member, value)

    def write(self, program: Program, state: State, value: Tensor) -> State:
        return _scaled(state, self.member, CURATED, value)


@spelled
@dataclass(frozen=True, repr=False)
class Real(Free):
    """The real share of a member's diet; all that it takes from others scales by ``(1−real')/(1−real)``.

    >>> Real("hub").name
    'real(hub)'
    """

    member: str

    def __post_init__(self) -> None:
        super().__post_init__()
        a_name(self.member, f"{type(self).__name__}(member)")

    @property
    def name(self) -> str:
        return f"real({self.member})"

    @property
    def diet(self) -> str:
        return self.member

    def value(self, scenario: Scenario) -> float:
        checks.check_known(self.member, scenario.graph, self.name)
        share = scenario.real_share(self.member)
        if scenario.member(self.member).real is None or not TOLERANCE < share < 1 - TOLERANCE:
            raise ValueError(
                f"{self.name} cannot be free: the real share is {share:.6g}; start from a scenario in which "
                f"{self.member!r} has real data, and a share of them between 0 and 1"
            )
        return share

    def natural(self, scenario: Scenario) -> tuple[float, float]:
        return EDGE, 1 - EDGE

    def changed(self, scenario: Scenario, value: float) -> Scenario:
        rest = (1 - value) / (1 - self.value(scenario))
        flows = scenario.incoming(self.member, dormant=True)
        new = {u: _with_shares(flow, rest * flow.raw, rest * flow.curated) for u, flow in flows.items()}
        return copies.named(copies.put_flows(scenario.replace(), self.member, new), self.member, {"real": value})

    def write(self, program: Program, state: State, value: Tensor) -> State:
        return _scaled(state, self.member, REAL, value)


@spelled
@dataclass(frozen=True, repr=False)
class Share(Free):
    """What a member takes from another, ``part`` ``"raw"`` or ``"curated"`` (the one that is there, if None).

    What several free shares of one diet leave over is real data; where the member has none, the last one named takes
    what the others leave, and is no free number of its own.

    >>> Share("a", "b", "raw").name, Share("a", "b").name
    ('raw(a → b)', 'share(a → b)')
    """

    source: str
    target: str
    part: Literal["raw", "curated"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (self.source, self.target):
            a_name(name, "Share(source, target)")
        if self.part is not None and (not isinstance(self.part, str) or self.part not in ("raw", "curated")):
            raise ValueError(f"Share(part) is 'raw', 'curated' or None, got {brief(self.part)}")

    @property
    def name(self) -> str:
        return f"{self.part or 'share'}({self.source} → {self.target})"

    @property
    def diet(self) -> str:
        return self.target

    def of(self, scenario: Scenario) -> Literal["raw", "curated"]:
        """Which part it is."""
        checks.check_flow_known(self.source, self.target, scenario.graph, self.name)
        flow = scenario.flow(self.source, self.target)
        there = [part for part, share in (("raw", flow.raw), ("curated", flow.curated)) if share > 0]
        if self.part is None and len(there) != 1:
            raise ValueError(
                f"{self.name} is {'both raw and curated' if there else 'nothing'} in scenario {scenario.name!r}; say "
                f'which: Share({self.source!r}, {self.target!r}, "raw") or "curated"'
            )
        part = self.part or there[0]
        if part not in there:
            raise ValueError(f"{self.name} cannot be free: it is 0; start from a scenario in which it is not")
        return "raw" if part == "raw" else "curated"

    def name_in(self, scenario: Scenario) -> str:
        return Share(self.source, self.target, self.of(scenario)).name

    def value(self, scenario: Scenario) -> float:
        return getattr(scenario.flow(self.source, self.target), self.of(scenario))

    def natural(self, scenario: Scenario) -> tuple[float, float]:
        return 0.0, 1.0

    def changed(self, scenario: Scenario, value: float) -> Scenario:
        return with_shares(scenario, {self: value})

    def write(self, program: Program, state: State, value: Tensor) -> State:
        group = CURATED if self.of(program.scenarios[0]) == "curated" else RAW
        (place,) = state.wiring.places((self.source, self.target), group)
        return _put(state, torch.tensor([place]), value.unsqueeze(0))


def with_shares(scenario: Scenario, shares: Mapping[Share, float]) -> Scenario:
    """A copy with several shares of one diet changed at once, so that the diet is whole after it."""
    v = next(iter(shares)).target
    flows: dict[str, Flow] = {}
    for share, value in shares.items():
        flow = flows.get(share.source, scenario.flow(share.source, v))
        parts = {"raw": flow.raw, "curated": flow.curated, share.of(scenario): value}
        flows[share.source] = _with_shares(flow, **parts)
    said = {f"{share.source} {share.of(scenario)}": value for share, value in shares.items()}
    return copies.named(copies.put_flows(scenario.replace(), v, flows), v, said)


def _with_shares(flow: Flow, raw: float, curated: float) -> Flow:
    return Flow(raw, curated, chosen_by=flow.chosen_by, transform=flow.transform, delay=flow.delay)


def _scaled(state: State, member: str, group: int, value: Tensor) -> State:
    """Shares of a group scaled to ``value [replicates]`` in all, the others of that diet to the rest."""
    wiring, places = state.wiring, torch.tensor(state.wiring.components_of(state.wiring.index[member]))
    mine = torch.tensor([wiring.components[i].group == group for i in places.tolist()]).reshape(-1, 1)
    old = state.declared[places, 0]
    now = torch.where(mine, old, 0.0).sum(0)
    new = [move_share(old, chosen, now, value) for chosen in (True, False)]
    return _put(state, places, torch.where(mine, *new))


def _put(state: State, places: Tensor, rows: Tensor) -> State:
    """Declared shares with other ``rows [places, replicates]``."""
    wide = state.declared.expand(-1, -1, rows.shape[-1])
    return state.changed(declared=wide.index_copy(0, places, rows.unsqueeze(1)))
