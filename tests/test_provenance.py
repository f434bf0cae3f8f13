"""Filters against synthetic data, and the commons that they are for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecosystem import Archive, Flow, Linear, Location, Member, Provenance, Record, Scenario, Tilt
from ecosystem.influence import influence, stable_point
from ecosystem.running.measures import data_distance, effective_number, survivors
from scenarios import commons

RATE = st.floats(0, 1)
RECORD = Record(measures=[survivors, effective_number, data_distance])


def fed(raw: float = 0.3, curated: float = 0.2, other: float = 0.1) -> Scenario:
    """A member that reads two others, one of them chosen, and real data."""
    s = Scenario("fed", rounds=1)
    s.add("a", Member(Location([1.0]), reward=Linear([0.5]), curator=Tilt()))
    s.add("b", Member(Location([3.0])))
    s.add("m", Member(Location([0.0]), reward=Linear([1.0]), real=Location([-1.0])))
    s.connect("a", "m", Flow(raw=raw, curated=curated))
    s.connect("b", "m", Flow(raw=other))
    for name in "ab":
        s.connect(name, name, Flow(raw=1.0))
    return s


def test_what_a_filter_leaves_of_a_diet() -> None:
    """``s = .6``, ``t = .9``, ``f = .05``: ``s' = .1363636364``, and the mean of what is learnt follows."""
    s, kept = fed(), Provenance(0.9, 0.05)
    new = kept.on(s, "m")
    assert 1 - new.real_share("m") == pytest.approx(0.1363636364, abs=5e-11)
    assert kept.volume(s, "m") == pytest.approx(0.44)
    flow = new.flow("a", "m")
    assert (flow.raw, flow.curated) == pytest.approx((0.03 / 0.44, 0.02 / 0.44))
    mean = float(new.run().parameters["m"]["mean"])
    assert mean == pytest.approx((0.03 * 1 + 0.02 * 1.5 + 0.01 * 3 - 0.38) / 0.44)
    table = kept.table(s, "m").set_index("source")
    assert table["offered"].tolist() == pytest.approx([0.5, 0.1, 0.4])
    assert table["share"].tolist() == pytest.approx([0.05 / 0.44, 0.01 / 0.44, 0.38 / 0.44])


def test_whose_watermark_is_not_known_gets_the_room_of_what_is_thrown_out() -> None:
    s = fed()
    new = Provenance({"a": 0.9}, 0.05).on(s, "m")
    volume = 0.05 + 0.1 + 0.38
    assert new.flow("b", "m").raw == pytest.approx(0.1 / volume) and new.flow("b", "m").raw > 0.1
    one = Provenance({"a": 1.0}).on(s, "m")  # a flow alone, real data as they are
    assert one.flow("a", "m").raw == 0
    assert one.real_share("m") == pytest.approx(0.4 / 0.5)


@given(RATE, RATE, st.floats(0.01, 0.99))
def test_the_formula(t: float, f: float, s: float) -> None:
    offered = fed(raw=s, curated=0.0, other=0.0)
    volume = s * (1 - t) + (1 - s) * (1 - f)
    if volume < 1e-9:
        return
    new = Provenance(t, f).on(offered, "m")
    assert new.flow("a", "m").raw == pytest.approx(s * (1 - t) / volume, abs=1e-9)
    assert Provenance(0.0, 0.0).on(offered, "m").flow("a", "m").raw == pytest.approx(s)


def test_influence_behind_a_filter_is_that_of_the_kept_diet() -> None:
    """Central differences over the curated share of what is kept."""
    s = Provenance({"web": 0.7}, 0.1).on(gathered(), "m")
    level, step = s.curation("m"), 1e-5
    found = influence(s).matrix["m"]
    ends = [stable_point(s.with_curation("m", level + way)).alignment for way in (step, -step)]
    assert found.to_list() == pytest.approx(((ends[0] - ends[1]) / (2 * step))[found.index].to_list(), abs=1e-6)


def gathered() -> Scenario:
    """A member that writes to an archive of human data and reads it."""
    s = Scenario("gathered", rounds=1)
    human = Location([0.0], 0.7)
    s.add("m", Member(Location([0.5], 0.7), reward=Linear([1.0]), curator=Tilt(), real=human))
    s.add("web", Member(Archive({"m": human, "real": human}), real=human))
    s.connect("m", "web", Flow(raw=0.5))
    s.connect("web", "m", Flow(raw=0.3, curated=0.3, chosen_by="consumer"))
    return s


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"Provenance\(true_positive\) is a probability between 0 and 1, got 1.2"):
        Provenance(1.2)
    with pytest.raises(ValueError, match=r"Provenance\(true_positive\['a'\]\) is a probability"):
        Provenance({"a": -1.0})
    with pytest.raises(ValueError, match="'m' has no flow from 'c'; it reads 'a'"):
        Provenance({"c": 0.5}).on(fed(), "m")
    with pytest.raises(ValueError, match="leaves nothing of what 'm' trains on"):
        Provenance(1.0, 1.0).on(fed(), "m")
    with pytest.raises(KeyError, match="there is no member 'x'"):
        Provenance(0.5).volume(fed(), "x")


# -- the commons -------------------------------------------------------------------------------------------------------


def end(**settings: object) -> dict[str, float]:
    """What the web and its readers are like after 60 rounds."""
    run = commons.scenario(**settings).run(record=RECORD)  # type: ignore[arg-type]
    last = run.rounds[run.rounds["round"] == 60].set_index("member")
    web = last.loc["web"]
    return {
        "number": web["effective_number"],
        "away": web["data_distance"],
        **last.loc[["a", "b", "c"], "alignment"].to_dict(),
    }


def test_a_filter_brings_the_web_back_and_an_unknown_flow_takes_it() -> None:
    """The figures of the scenario's docstring."""
    open_, closed, leaky = end(), end(true_positive=0.9), end(true_positive=0.9, undetected=True)
    assert [round(open_[x], 3) for x in ("number", "away")] == [4.345, 0.302]
    assert [round(closed[x], 3) for x in ("number", "away")] == [5.202, 0.063]
    assert [round(leaky[x], 3) for x in ("number", "away")] == [3.963, 0.502]
    assert [[round(each[x], 2) for x in "abc"] for each in (open_, closed, leaky)] == [
        [1.30, 1.19, 1.00],
        [1.14, 1.05, 0.49],
        [0.61, 0.56, 2.22],
    ]
    web = commons.scenario(true_positive=0.9, undetected=True)
    assert web.flow("c", "web").raw == pytest.approx(0.3 / (0.3 + 0.06 + 0.095))


def test_the_commons_with_samples_keep_to_the_population() -> None:
    """Survivors and alignment after five rounds, 12 replicates of 1,000 samples, within four standard errors."""
    s = commons.scenario(true_positive=0.9, rounds=5)
    exact, run = s.run(record=RECORD), s.replace(samples=1000).run(replicates=12, record=RECORD)
    known, found = (r.rounds[r.rounds["round"] == 5].groupby("member")["alignment"] for r in (exact, run))
    for name in "abc":
        error = found.std()[name] / 12**0.5
        assert abs(found.mean()[name] - known.mean()[name]) < 4 * error
    shares = (r.survivors.query("round == 5 and curated and target == 'c' and producer == 'c'") for r in (exact, run))
    one, many = (table["share"] for table in shares)
    assert abs(many.mean() - one.mean()) < 4 * many.std() / 12**0.5
