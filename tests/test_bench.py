"""Many members change their minds in one round: one rebuild of the wiring, and the state that each of them left."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import pytest
import torch

from ecosystem import BestOf, Categorical, Ecosystem, Flow, Luce, Member, ModelAgent, Scenario
from ecosystem.engine.wiring import Wiring
from ecosystem.rewards import Tabular

MEMBERS = 12


class Fickle(ModelAgent):
    """Users of another kind in round 2, everywhere, and of a third in round 3, in some replicates."""

    def decide(self) -> None:
        if self.model.steps == 2:
            self.set_curator(BestOf(2))
        if self.model.steps == 3:
            self.set_curator(Luce(3, 2.0), where=torch.tensor([True, False, True]))


class Looking(Fickle):
    """The same, who look at everything after each change, so that nothing can wait."""

    def decide(self) -> None:
        super().decide()
        assert self.users() is not None and self.sources


def crowd(agent: type[ModelAgent]) -> Ecosystem:
    s, data = Scenario("crowd", rounds=4, samples=6), Categorical([0.2, 0.3, 0.5])
    for i in range(MEMBERS):
        taste, start = Tabular([0.0, 1.0, 2.0]), Categorical([0.5, 0.3, 0.2])
        s.add(str(i), Member(start, reward=taste, curator=Luce(2), real=data, agent=agent))
    for i in range(MEMBERS):
        s.connect(str(i), str((i + 1) % MEMBERS), Flow(raw=0.1, curated=0.2, chosen_by="producer"))
        s.connect(str(i), str((i + 2) % MEMBERS), Flow(raw=0.1, curated=0.2, chosen_by="consumer"))
    return Ecosystem(s, seeds=range(3))


def test_one_rebuild_a_round_however_many_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change put all diets together anew: 400 members took 25 times as long as 100."""
    built: list[int] = []
    changed = Wiring.changed

    def counted(self: Wiring, **parts: Any) -> Wiring:
        built.append(1)
        return changed(self, **parts)

    monkeypatch.setattr(Wiring, "changed", counted)
    eco = crowd(Fickle)
    for _ in range(4):
        built.clear()
        eco.step()
        assert len(built) == (eco.steps in (2, 3))
    assert len(eco.result().changes) == MEMBERS * (3 + 2)


def test_it_does_not_matter_who_looks_in_between() -> None:
    one, other = crowd(Fickle), crowd(Looking)
    for eco in (one, other):
        eco.run()
    for table in ("rounds", "changes"):
        left, right = (getattr(eco.result(), table) for eco in (one, other))
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    a, b = one.state, other.state
    assert torch.equal(a.shares, b.shares) and a.audience.kinds == b.audience.kinds
    assert [(c.target, c.flow, c.users) for c in a.wiring.components] == [
        (c.target, c.flow, c.users) for c in b.wiring.components
    ]


@pytest.mark.parametrize("look", [False, True])
def test_a_state_that_somebody_has_kept_stays_what_it_was(look: bool) -> None:
    """Also where nobody has looked at it before others went on."""
    eco = crowd(ModelAgent)
    eco.step()
    eco["0"].set_curator(BestOf(2))
    kept, branch = eco.state, copy.deepcopy(eco)
    if look:
        assert len(kept.wiring.components) > 0
    eco["1"].set_curator(BestOf(2))
    with pytest.raises(TypeError, match="set_curator"):
        eco["2"].set_curator("best")  # type: ignore[arg-type]
    alone = crowd(ModelAgent)
    alone.step()
    alone["0"].set_curator(BestOf(2))
    for state in (kept, branch.state):
        assert [c.users for c in state.wiring.components] == [c.users for c in alone.state.wiring.components]
        assert torch.equal(state.shares, alone.state.shares)
    assert len(eco.state.wiring.components) >= len(kept.wiring.components)
    for other in (branch, alone):
        other["1"].set_curator(BestOf(2))
        other.step()
    eco.step()
    for other in (branch, alone):
        pd.testing.assert_frame_equal(other.result().rounds, eco.result().rounds, check_exact=True)
