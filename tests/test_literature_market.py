"""The market of models and users against 2206.02667 and its closed forms."""

from __future__ import annotations

from typing import Any

import pytest

from ecosystem import Record
from scenarios import market


def ended(**settings: Any) -> tuple[list[float], list[float]]:
    """Where models stand in the end, and what ``few`` and ``many`` get."""
    run = market.scenario(**settings).run(record=Record(tastes=True, last=1))
    models = [name for name in run.members["member"] if name.startswith("model")]
    return [float(run.generator(name).mean) for name in models], market.served(run).iloc[-1].tolist()


def test_two_models_part_and_the_risk_falls_from_725_to_0() -> None:
    run = market.scenario(rounds=3).run(record=Record(tastes=True, start=True))
    gets = market.served(run).mean(axis=1)
    assert ended(rounds=3)[0] == [-1.0, 1.0] and gets.iloc[-1] == pytest.approx(0, abs=1e-12)
    start = {
        row.judge: row.reward - 1 for row in run.tastes.query("round == 0").itertuples() if row.member == "model 1"
    }
    other = {
        row.judge: row.reward - 1 for row in run.tastes.query("round == 0").itertuples() if row.member == "model 2"
    }
    assert (start["few"] + other["many"]) / 2 == pytest.approx(-0.725, abs=1e-12)


@pytest.mark.parametrize("loyal", [False, True])
def test_a_minority_is_served_where_models_compete(loyal: bool) -> None:
    alone, gets = ended(minority=0.2, learners=1, rounds=2)
    assert alone == [pytest.approx(0.6)] and gets == pytest.approx([-2.56, -0.16])
    both, gets = ended(minority=0.2, temperature=1.0 if loyal else 0.0, loyal=loyal, rounds=60)
    assert both == pytest.approx([-1, 1], abs=1e-9) and gets == pytest.approx([0, 0], abs=1e-9)


def test_users_who_hardly_care_are_not_segmented() -> None:
    places = {m: ended(minority=m, temperature=1.0, rounds=100)[0] for m in (0.5, 0.3, 0.2, 0.1)}
    assert places[0.5] == pytest.approx([-0.957504, 0.957504], abs=1e-6)
    assert [round(x, 3) for x in (*places[0.3], *places[0.2], *places[0.1])] == [-0.869, 0.983, 0.223, 0.927, 0.8, 0.8]
    assert ended(temperature=3.0, rounds=60)[0] == pytest.approx([0, 0], abs=1e-9)


def test_curation_by_demand_spares_the_minority() -> None:
    """A level of .6 is one of .375 where a model has .4 of the users of an even spread, and of .706 at 1.6."""
    few: dict[str, float] = {}
    for name, by_demand, levels in (("even", False, (0.6, 0.6)), ("by demand", True, (0.6 / 1.6, 2.4 / 3.4))):
        found, gets = ended(minority=0.2, curation=0.6, by_demand=by_demand, spread=0.5, rounds=60)
        rests = [market.rest(place, level, 0.2, 0.5) for place, level in zip((-1, 1), levels, strict=True)]
        assert found == pytest.approx(rests, abs=1e-9)
        assert gets == pytest.approx([-((x - z) ** 2) - 0.25 for x, z in zip(rests, (-1, 1), strict=True)], abs=1e-9)
        few[name] = gets[0]
    assert [round(x, 3) for x in few.values()] == [-0.534, -0.321]
