"""What comes in from users: scenarios drawn at random run or are refused in one line; and the kinds one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import networkx as nx
import pandas as pd
import pytest
import torch

from ecosystem import (
    BestOf,
    Categorical,
    Curator,
    Ecosystem,
    Flow,
    FlowMatching,
    Gaussian,
    LinearMap,
    Location,
    Luce,
    Member,
    ModelAgent,
    Record,
    Scenario,
    TopFraction,
    Training,
    Users,
)
from tests.fuzzing import parts, results
from tests.fuzzing.arguments import PARTS
from tests.fuzzing.decisions import ANALYSES
from tests.fuzzing.odd import ODD
from tests.fuzzing.outcome import GOOD, TooSlow, outcome, patience, refusal
from tests.labs import plain, real, refused, scenario

NAN = math.nan
OWN_WORDS = {("progress", "type"), ("progress", "module")}  # functions of the user's own may fail in theirs
OWN_WORDS |= {("build", "mute"), ("level", "mute")}  # and tables hold what they are given


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_scenarios_drawn_at_random(first: int) -> None:
    """Of 3,000 441 fell through with a raw error, 20 of absurd size ran on, 7 were NaN without a word."""
    ended = [outcome(number, seconds=60) for number in range(first, first + 50)]
    assert [one for one in ended if one.kind not in GOOD] == []
    assert {"ran", "refused"} <= {one.kind for one in ended}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", PARTS)
def test_every_argument_of_the_later_parts_with_every_odd_value(part: str) -> None:
    """372 of 3,604 ended in an error of Python's own: what is no sequence, no function, no name."""
    make, given = PARTS[part]
    make(**given)
    raw = []
    for name, value in ((name, value) for name in given for value in ODD):
        if name in ("member", "flow") and value in ("module", "type"):
            continue  # a function of the user's own may fail in its own words
        try:
            repr(make(**(given | {name: ODD[value]()})))
        except Exception as error:
            kind, text = refusal(error)
            raw += [(name, value, text)] if kind != "refused" else []
    assert raw == []


SLOW = ("allocate", "coalition", "equilibrium", "costs", "noise", "fit")  # where a good answer takes a second


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", ANALYSES)
def test_every_argument_of_analyses_and_decisions_with_odd_values(part: str) -> None:
    """Analyses took what they were given, and ended in errors of Python's own. Each value at every third argument."""
    make, given = ANALYSES[part]
    make(**given)
    raw = []
    for place, name in enumerate(given):
        values = list(ODD)[place % 3 :: 3 if part not in SLOW else 9]
        for value in values:
            if (name, value) in OWN_WORDS:
                continue
            try:
                repr(make(**(given | {name: ODD[value]()})))
            except Exception as error:
                kind, text = refusal(error)
                raw += [(name, value, text)] if kind != "refused" else []
    assert raw == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", parts.OTHERS)
def test_every_argument_of_every_other_public_part_with_odd_values(part: str, tmp_path, monkeypatch) -> None:
    """1,610 ended in an error of Python's own or were taken: ``LanguageModel(alpha=None)``, ``Pairs(0.5j, ...)``,
    ``Ecosystem(build_samples=0.5j)``, ``Asking("0.5")``. A third of the values each."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.jsonl").write_text('{"src": "a", "tgt": "b"}')
    make, given = parts.OTHERS[part]
    make(**given)
    raw = []
    for place, name in enumerate(given):
        for value in ["complex", *list(ODD)[place % 3 :: 3 if part != "posterior" else 21]]:
            try:
                with patience(20):
                    repr(make(**(given | {name: ODD[value]()})))
            except (Exception, TooSlow) as error:
                ended, text = refusal(error) if isinstance(error, Exception) else ("slow", "")
                raw += [(name, value, text)] if ended != "refused" else []
            else:
                raw += [(name, value, "taken")] if value == "complex" else []
    assert raw == []


def test_every_public_part_is_drawn() -> None:
    """A new part, and a new argument of one, fails here by its name until it is drawn with odd values."""
    tables = PARTS | ANALYSES | parts.OTHERS
    apart = {**parts.EXEMPT, **results.MADE, **results.NONE}
    missing = []
    for name, thing in parts.public():
        if name in tables:
            asked = parts.asked(tables, name)
            missing += [f"{name}({argument})" for argument in parts.arguments(thing) - asked]
        elif name not in apart and parts.arguments(thing):
            missing.append(name)
    assert missing == [], "draw them in tests/fuzzing/parts.py, or say there why not"
    known = {name for name, _ in parts.public()}
    assert set(parts.EXEMPT) | set(parts.ALONE) <= known, "what is exempt is there"


def test_every_part_that_a_scenario_may_hold_is_drawn_in_whole_scenarios() -> None:
    names = {name for name, thing in parts.public() if parts.in_a_scenario(thing)}
    assert {"Ridge", "ConditionalGaussian", "Asking", "Luce", "every", "fade", "synchronous", "Freeze"} <= names
    assert names - parts.drawn() - set(parts.ALONE) - set(parts.EXEMPT) == set(), "draw it in tests/fuzzing/newer.py"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", results.MADE)
def test_every_argument_of_every_method_of_a_result_with_odd_values(kind: str, tmp_path, monkeypatch) -> None:
    """Of hops, cures, quantile, read, charts, ... most odd values ended in an error of Python's own, and some in
    numbers: ``read(points=[0.5])`` was point 0, a confidence of 2 gave NaN."""
    monkeypatch.chdir(tmp_path)
    thing, raw = results.MADE[kind](), []
    for name, call in results.methods(thing):
        given = results.right(kind, call)
        for place, parameter in enumerate(results.arguments(call)):
            for value in [*list(ODD)[place % 2 :: 2], *results.NEVER]:
                if value in ("function", "module", "type") and parameter.name in ("progress", "until", "condition"):
                    continue  # functions of the user's own may fail in their own words
                if value == "no such member" and parameter.name in ("folder", "path", "checkpoints"):
                    continue
                if value == "a half" and "int" not in str(parameter.annotation):
                    continue
                try:
                    with patience(20):
                        repr(call(**(given | {parameter.name: (ODD | results.NEVER)[value]()})))
                except (Exception, TooSlow) as error:
                    ended, text = refusal(error) if isinstance(error, Exception) else ("slow", "")
                    raw += [(name, parameter.name, value, text)] if ended != "refused" else []
                else:
                    raw += [(name, parameter.name, value, "taken")] if value in results.NEVER else []
    assert raw == []


def test_every_result_is_asked() -> None:
    """A new class, and a new method of one, is asked without being named; what is none is named with its reason."""
    known = {found.__name__ for found in results.public()}
    assert known <= set(results.MADE) | set(results.NONE), "make it in tests/fuzzing/results.py, or say what it is"
    assert set(results.NONE) <= known and not set(results.NONE) & set(results.MADE)
    asked = {f"{kind}.{name}" for kind in ("Influence", "Results") for name, _ in results.methods(results.MADE[kind]())}
    assert {"Influence.hops", "Influence.plot.hops", "Results.precision", "Results.plot.map"} <= asked


# -- numbers -----------------------------------------------------------------------------------------------------------

SHARES = (
    "complex",
    "None",
    "text",
    "true",
    "nan",
    "NA",
    "set",
    "date",
    "type",
    "mute",
    "tall",
    "frame",
    "inf",
    "minus",
)


@pytest.mark.parametrize("name", SHARES)
def test_a_share_is_a_number_between_0_and_1(name: str) -> None:
    """``"0.5"`` and True were taken as they came, others ended in an error of Python's own."""
    refused(lambda: Flow(raw=ODD[name]()), "Flow(raw) is a share between 0 and 1, got")


@pytest.mark.parametrize("name", ["half", "fraction", "float32", "tensor number", "zero"])
def test_numbers_of_other_libraries_are_numbers(name: str) -> None:
    assert Flow(raw=ODD[name]()).raw == float(ODD[name]())


@pytest.mark.parametrize("name", ["negative strides", "series", "bytes tensor", "half tensor", "range"])
def test_arrays_of_other_libraries_are_numbers(name: str) -> None:
    """An array that ran backwards was refused by torch."""
    value = ODD[name]()
    assert Location(value).mean.tolist() == [float(x) for x in value]


MATRICES = (
    *("None", "complex", "date", "dates", "set", "NA", "text", "sparse", "csr", "meta", "complex tensor", "masked"),
    *("frame of texts", "series with NA", "ragged", "nones", "function", "module", "mute", "record", "10**400"),
)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("make", [Location, lambda x: LinearMap(x), lambda x: Gaussian([0.0, 0.0], x)])
def test_what_holds_no_numbers_is_refused_in_one_line(make, name: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make(ODD[name]())
    said = str(caught.value)
    assert said and "\n" not in said and len(said) < 400 and "must" in said


def test_a_frame_is_real_data() -> None:
    """A frame was "a DataFrame", which nobody could use."""
    s = scenario(a=plain(real=pd.DataFrame({"x": [0.0, 2.0], "y": [1.0, 1.0]})))
    assert s.run().parameters["a"]["mean"].flatten().tolist() == [1.0, 1.0]


SEEDS = (0.5, 1.9, "3", True, -1, 2**63, None, NAN)


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds_are_whole_numbers(seed) -> None:
    """``2**63`` failed after the run; 0.5, 1.9 and "3" were taken for others."""
    s = scenario(a=real())
    refused(lambda: s.run(seed=seed), "run(seed) must be a whole number from 0 to 2**63 - 1, got")
    refused(lambda: Ecosystem(s, seeds=[seed]), "seeds must be a whole number from 0 to 2**63 - 1, got")


def test_the_largest_seed_runs() -> None:
    assert scenario(a=real()).replace(samples=3).run(seed=2**63 - 1).rounds["seed"].unique().tolist() == [2**63 - 1]


WORDS = {
    "scenario": (lambda: Scenario(None, rounds=1), "TypeError: Scenario(name) is a string…got None"),  # type: ignore[arg-type]
    "record": (lambda: Record(draws="no"), "Record(draws) is True or False, got 'no'"),  # type: ignore[arg-type]
    "sample rounds": (lambda: Record(sample_rounds=3), "TypeError: Record(sample_rounds) is a list"),  # type: ignore[arg-type]
    "ordering": (lambda: Scenario("x", rounds=1, ordering="shuffled"), "TypeError: …from ecosystem import shuffled"),
    "optimizer": (lambda: Training(optimizer="adamw"), "TypeError: Training(optimizer) is a class of torch.optim"),  # type: ignore[arg-type]
    "no optimizer": (lambda: Training(optimizer=torch.nn.Linear), "Training(optimizer) is a class…fails"),  # type: ignore[arg-type]
    "multigraph": (
        lambda: Scenario.from_graph(
            nx.MultiDiGraph([(0, 1)]), member=lambda n: real(), flow=lambda u, v: Flow(), rounds=1
        ),
        "from_graph takes graphs with one edge from u to v…nx.DiGraph(graph)",
    ),
    "node": (
        lambda: scenario(a=real()).connect(0, "a", Flow()),  # type: ignore[arg-type]
        "TypeError: flow 0 → 'a': names of members are strings, got 0; use str(node)",
    ),
    "candidates": (lambda: Luce(10**9), "Luce(k) draws so many candidates for each sample…at most 1000000, or Tilt"),
    "quota": (lambda: TopFraction(1e-9), "TopFraction(fraction) must be at least 1/1000000"),
    "rounds": (lambda: Scenario("x", rounds=2**31), "Scenario(rounds) must be a whole number…at most 1000000000, got"),
    "rounds kept": (
        lambda: scenario(a=real()).replace(rounds=10**9).run(replicates=1),
        "recording 1000000000 rounds needs about … GB are free; record fewer: Record(every=...)",
    ),
    "replicates": (lambda: scenario(a=real()).run(replicates=10**10), "run(replicates=10000000000) needs about"),
    "samples": (
        lambda: scenario(a=Member(FlowMatching(2), real=torch.zeros(3, 2))).replace(samples=10**12).run(),
        "samples=1000000000000 of 'a' needs about 1.6e+04 GB of memory, and",
    ),
    "network": (lambda: FlowMatching(2, hidden=10**9), "FlowMatching(dimension=2, hidden=1000000000, depth=3) needs"),
}


@pytest.mark.parametrize("case", WORDS)
def test_words(case: str) -> None:
    """Named by what the user wrote; absurd sizes by what they would cost."""
    make, message = WORDS[case]
    refused(make, message)


def test_a_run_of_days_is_said_to_be_one() -> None:
    s = scenario(a=real()).replace(rounds=10**8)
    with pytest.warns(UserWarning, match="takes about 2.78 hours; for less give it fewer rounds"):
        Ecosystem(s, seeds=[0], record=Record(last=1))


# -- functions of users ------------------------------------------------------------------------------------------------


def failing(*given) -> torch.Tensor:
    raise RuntimeError("no idea\nand more")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda names, r, rng: [NAN] * len(names), "must return ranks that are numbers"),
        (lambda names, r, rng: ["1"] * len(names), "must return ranks that are numbers"),
        (failing, "the ordering failing in round 1 fails: RuntimeError: no idea and more"),
    ],
)
def test_ranks_are_numbers(answer, said: str) -> None:
    """NaN and texts were sorted as they came."""
    refused(lambda: scenario(a=real(), b=real()).replace(ordering=answer).run(), said)


@pytest.mark.parametrize("answer", ["no", None, NAN, [True] * 7, 3])
def test_schedules_say_true_or_false(answer) -> None:
    refused(lambda: scenario(a=real(schedule=lambda r, rng: answer)).run(), "the schedule <lambda>")


def test_a_reward_in_numpy_says_so() -> None:
    """It was "returns shape [0.4965 0.5079]"."""
    refused(lambda: scenario(a=plain(reward=lambda x: x.sum(-1).numpy())), "returns a NumPy array of shape (3,), no")


def test_a_reward_that_fits_the_probe_alone() -> None:
    """Dead in round 1."""
    refused(
        lambda: scenario(a=plain(reward=lambda x: torch.zeros(3))), "the reward of 'a' fails…for samples of shape (2"
    )


def test_a_linear_map_of_a_float32_model() -> None:
    """Accepted, and dead in round 1: float32 in a matrix product."""
    s = scenario(
        ("a", "b", Flow(raw=1.0, transform=LinearMap([[0.0, 1.0], [1.0, 0.0]]))),
        a=Member(FlowMatching(2, 4, 1, 2, Training(1, 4)), real=torch.zeros(3, 2)),
        b=plain(),
    ).replace(samples=5, rounds=2)
    assert s.run().failures.empty


def test_real_data_of_float32_and_modules_as_transforms() -> None:
    """Both were dead in round 1: another type, a gradient."""
    mirror = torch.nn.Linear(2, 2).double()
    s = scenario(
        ("a", "b", Flow(raw=0.5, transform=mirror)),
        a=plain(real=lambda n, rng: rng.normal(n, 2).float()),
        b=Member(Gaussian([0.0, 0.0], torch.eye(2)), real=torch.zeros(3, 2)),
    ).replace(samples=5)
    assert s.run().parameters["b"]["mean"].isfinite().all()


def test_symbols_outside_the_alphabet() -> None:
    """The probe drew three samples, of which none need be the one that is mapped outside."""
    coin = Member(Categorical([0.98, 0.01, 0.01]), real=torch.tensor([0]))
    outside = Flow(raw=0.5, transform=lambda x: torch.where(x == 2, 7, x))
    refused(lambda: scenario(("a", "a", outside), a=coin), "the transform <lambda> must lead to symbols 0..2")
    late = Member(Categorical([0.5, 0.5]), real=lambda n, rng: torch.full((n,), 0 if n < 4 else 5))
    with pytest.raises(RuntimeError, match=r"in round 1: what the real data function <lambda>.* must be symbols 0..1"):
        scenario(a=late).replace(samples=9).run()


# -- rewards that are no numbers ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Second(Curator):
    """A curator of the user's own, who looks at rewards itself."""

    pools = False

    def curate(self, slate, reward, rng):
        first, other = slate.candidate(0), slate.candidate(1)
        return torch.where((reward.judge(other) > reward.judge(first)).unsqueeze(-1), other, first)


def cliff(value: float):
    """A reward that is no finite number beyond 3."""
    return lambda x: torch.where(x.sum(-1) > 3.0, value, x.sum(-1))


@pytest.mark.filterwarnings("ignore:.* of 40 replicates diverged", "ignore:the reward")
@pytest.mark.parametrize("value", [NAN, math.inf])
@pytest.mark.parametrize("curator", [Luce(3), BestOf(3), TopFraction(0.3), Second()])
def test_a_reward_that_is_no_number_never_wins(curator: Curator, value: float) -> None:
    """NaN won under TopFraction (−1.79 for 3.48); now that replicate is stopped, says why, and spoils no other."""
    flow = Flow(raw=0.2, curated=0.5, chosen_by=Users(cliff(value), curator))
    s = scenario(("a", "a", flow), a=Member(Location([0.5]), real=torch.zeros(4, 1))).replace(samples=8, rounds=3)
    run = s.run(replicates=40)
    lost = set(run.failures["replicate"])
    assert 0 < len(lost) < 40
    assert run.failures["error"].str.contains("is NaN or infinite for what 'a' was to train on in round").all()
    alone = s.run(replicates=1 + max(set(range(40)) - lost))
    kept = [r for r in range(40) if r not in lost and r in set(alone.rounds["replicate"])]
    end = {r: run.parameters["a"]["mean"][r] for r in kept}
    assert all(torch.equal(end[r], alone.parameters["a"]["mean"][r]) for r in kept)


@pytest.mark.parametrize("value", [NAN, math.inf])
@pytest.mark.filterwarnings("ignore:the reward")
def test_an_alignment_that_is_no_number_is_a_failure(value: float) -> None:
    """Infinite rewards gave NaN alignments without a word."""
    run = scenario(a=real(reward=cliff(value))).replace(samples=4).run(record=Record(judged=2000), replicates=2)
    assert len(run.failures) == 2 and run.failures["error"].str.contains("the alignment of 'a' is").all()


# -- verbs -------------------------------------------------------------------------------------------------------------


class Meddler(ModelAgent):
    verb = ""
    given: tuple = ()

    def decide(self) -> None:
        getattr(self, self.verb)(*self.given[:-1], **self.given[-1])


@pytest.mark.parametrize("value", [NAN, "0.5", True, None, 1j, torch.tensor([0.5, 0.5, 0.5])])
@pytest.mark.parametrize("verb", ["set_curation", "set_flow"])
def test_verbs_take_shares(verb: str, value) -> None:
    """``set_curation(nan)`` replaced all real data by the member's own output, without a row in ``changes``."""
    given = (value, {}) if verb == "set_curation" else ("a", {"curated": 0.1, "raw": value})
    if verb == "set_flow" and value is None:  # it stays as it is
        return
    agent = type("Agent", (Meddler,), {"verb": verb, "given": given})
    member = real(reward=lambda x: x.sum(-1), curator=Luce(2), agent=agent)
    s = scenario(("a", "a", Flow(raw=0.2, curated=0.2)), a=member).replace(samples=4)
    with pytest.raises((ValueError, TypeError), match="round 1") as caught:
        s.run()
    assert "\n" not in str(caught.value)


def test_where_is_a_mask() -> None:
    agent = type("Agent", (Meddler,), {"verb": "set_frozen", "given": (True, {"where": torch.ones(3, 3)})})
    refused(lambda: scenario(a=real(agent=agent)).run(), "where must be a mask of bools that broadcasts to")


def test_models_of_several_replicates_can_be_sampled() -> None:
    """``eco["a"].generator.sample`` said that a Looped has none."""
    s = scenario(a=Member(FlowMatching(2, 4, 1, 2), real=torch.zeros(3, 2))).replace(samples=4)
    eco = Ecosystem(s, seeds=[0, 1])
    rng = eco.program.rng.at("mine")
    drawn = eco["a"].generator.sample(5, rng)
    assert drawn.shape == (2, 5, 2) and not torch.equal(drawn[0], drawn[1])
