"""The scenario of fairness: what its docstring says of a group for whom nobody curates."""

from __future__ import annotations

import pytest

from scenarios import fairness

TABLE = {  # as printed: made for few, alignment of most, some, few, all
    "nobody": ({}, [0.016, 1.168, 0.494, 0.051, 0.854]),
    "voice": ({"voice": 0.1}, [0.022, 1.145, 0.506, 0.064, 0.845]),
    "quota": ({"quota": 0.1}, [0.100, 1.032, 0.460, 0.197, 0.777]),
    "more": ({"quota": 0.2}, [0.190, 0.891, 0.420, 0.353, 0.696]),
    "data": ({"real": 0.5}, [0.063, 1.015, 0.575, 0.139, 0.796]),
}


@pytest.mark.parametrize("setting", TABLE)
def test_the_table(setting: str) -> None:
    arguments, printed = TABLE[setting]
    rows = fairness.outcomes(fairness.scenario(**arguments)).set_index(["member", "group"])
    for member in ("m0", "m3"):
        found = [rows.loc[(member, "few"), "part"]]
        found += [rows.loc[(member, group), "alignment"] for group in ("most", "some", "few", "all")]
        assert found == pytest.approx(printed, abs=6e-4)


@pytest.mark.parametrize(("quota", "real"), [(0.05, 0.1), (0.3, 0.4)])
def test_a_quota_brings_a_group_exactly_its_share(quota: float, real: float) -> None:
    rows = fairness.outcomes(fairness.scenario(quota=quota, real=real))
    few = rows.loc[rows["group"] == "few", "part"]
    assert few.tolist() == pytest.approx([real * 0.1 + (1 - real) * quota] * 4, abs=1e-9)


def test_the_reader_of_an_adopter_gains_more_than_the_adopter() -> None:
    rows = fairness.outcomes(fairness.scenario(quota=0.1, adopters=1))
    few = rows.loc[rows["group"] == "few", "part"].tolist()
    assert few == pytest.approx([0.058, 0.068, 0.028, 0.018], abs=6e-4)


def test_samples_run_too() -> None:
    run = fairness.scenario(quota=0.1, rounds=3, samples=300).run(seed=1, replicates=8)
    few = run.parameters["m2"]["probabilities"][:, 4:].sum(-1).mean()
    assert float(few) == pytest.approx(0.1, abs=0.02)
