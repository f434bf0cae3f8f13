"""``ecosystem posterior``: what is shown, saved, reported and refused, of a model that is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import invoke, refused

from ecosystem.plots import NothingToDraw, fits

NET = '''"""A net that reads itself."""
from functools import partial
import torch
from ecosystem import Flow, GenerativeModel, Linear, Location, Member, Scenario, Shift, Training

class Net(GenerativeModel):
    event_shape = (1,)
    stackable = True
    def __init__(self):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(1))
        plan = partial(torch.optim.SGD, lr=0.25)
        self.training_plan = Training(steps=1, batch_size=20, optimizer=plan, stacked=True)
    def sample(self, n, rng):
        return self.mean + 0.3 * rng.normal(n, 1)
    def loss(self, batch, rng):
        return ((batch - self.mean) ** 2).mean()

def scenario():
    s = Scenario("net", rounds=3, samples=20)
    s.add("a", Member(Net(), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0], 0.3)))
    s.connect("a", "a", Flow(curated=0.5))
    return s
'''


@pytest.fixture
def net(tmp_path: Path) -> tuple[Path, Path]:
    """The scenario's file, and observations of it."""
    (tmp_path / "net.py").write_text(NET)
    rounds = [1, 2, 3, 1, 2, 3]
    values = [0.24, 0.37, 0.42, 0.4, 0.3, 0.25]
    seen = {"member": "a", "round": rounds, "measure": ["alignment"] * 3 + ["loss"] * 3, "value": values}
    pd.DataFrame(seen).to_csv(tmp_path / "seen.csv", index=False)
    return tmp_path / "net.py", tmp_path / "seen.csv"


def test_a_posterior_is_shown_saved_and_reported(net: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("sbi")
    few = ("--simulations", 150, "--samples", 300, "--ranks", 20, "--seed", 3)
    done = invoke("posterior", *net, "--free", "level(a):0.1:0.9", *few, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "level(a)" in told and "20 simulated truths" in told and "Ranks are" in told
    assert "squared standardised residuals of six observations" in told and "200 replicates" in told
    assert pd.read_csv(tmp_path / "out" / "verdicts.csv")["verdict"].isin(["fits", "misfit"]).sum() == 1
    samples, table = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("samples", "intervals"))
    assert len(samples) == 300 and len(pd.read_csv(tmp_path / "out" / "ranks.csv")) == 20
    np.testing.assert_allclose(table["mean"], samples["level(a)"].mean(), rtol=1e-9)
    np.testing.assert_allclose(table["low"], samples["level(a)"].quantile(0.025), rtol=1e-9)
    page = (tmp_path / "out" / "posterior.html").read_text()
    assert "Posterior means, and 95 % intervals: level(a) " in page
    assert "report of a posterior" in page and "150" in page and "Ranks are" in page
    assert "Whether the scenario makes what was observed" in page and "squared standardised residuals of six" in page
    again = invoke("posterior", *net, "--free", "level(a)", "--out", tmp_path / "out")
    assert again.exit_code and "holds a posterior already" in again.output


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--free", "strength(a)"), "strength(a) has no upper bound"),
        (("--free", "level(b)"), "'b'"),
        (("--free", "level(a)", "--noise", "loud"), "--noise is a number or column"),
        (("--free", "level(a)", "--ranks", 1), "--ranks is 0, or at least 2"),
    ],
)
def test_what_cannot_be_learned_is_refused(net: tuple[Path, Path], given: tuple[object, ...], words: str) -> None:
    assert words in refused(invoke("posterior", *net, *given))


def test_the_chart_of_a_posterior_has_every_draw() -> None:
    draws = pd.DataFrame({"a": np.random.default_rng(0).normal(size=500), "b": np.arange(500.0)})
    chart = fits.posterior(draws)
    rows = pd.DataFrame(next(iter(chart.to_dict()["datasets"].values())))
    for name in draws:
        mine = rows[rows["parameter"] == name]
        counts, _ = np.histogram(draws[name], [*mine["from"], mine["to"].iloc[-1]])
        np.testing.assert_allclose(mine["share"], counts / 500)
        assert mine["share"].sum() == pytest.approx(1)
    assert "b 250 (12.5 to 487)" in chart.description
    with pytest.raises(NothingToDraw):
        fits.posterior(draws.iloc[:0])
