"""What is known of a scenario's free numbers where no likelihood can be written down: learned from simulations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from ecosystem.core.chance import most_by_chance
from ecosystem.core.check import a_seed, brief, real_number, warn, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.streams import Stream
from ecosystem.core.words import counted, joined, listed, number, percent
from ecosystem.decisions.calibrated import Calibration
from ecosystem.decisions.learned import Learned
from ecosystem.decisions.observed import as_observations
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.replicated import PredictiveCheck, predictive_check
from ecosystem.decisions.simulating import Simulator
from ecosystem.running.costs import seconds
from ecosystem.scenario import Scenario

REPLICATES = 400  # data sets that a check of the posterior simulates
_FEWEST = 100  # simulations that anything is learned from
_TRIES = 1000  # draws of a diet's shares for each that is one
_BY_CHANCE = 0.99
_LONG = 600.0  # seconds from which it is worth a word how long it takes
_BLIND = 0.9  # of its spread before: a number of which no more is known


@dataclass(frozen=True, eq=False)
class Posterior:
    """What observations say of free numbers; made by :func:`posterior`.

    ``samples`` has a column for each number and a row for each draw; ``intervals()`` are the central ones, and
    ``verdicts`` what to mind. ``simulations`` is how many there were, ``lost`` how many of them diverged: the posterior
    is that of numbers with which nothing diverges.
    """

    names: list[str]
    samples: pd.DataFrame
    simulations: int
    lost: int
    outside: int
    seed: int
    parameters: Parameters = field(repr=False)
    simulator: Simulator = field(repr=False)
    learned: Learned = field(repr=False)

    @typed
    def intervals(self, level: float = 0.95) -> pd.DataFrame:
        """A row for each number: posterior ``mean``, ``sd``, and the central interval from ``low`` to ``high``.

        Raises
        ------
        ValueError
            If ``level`` is no number between 0 and 1.
        """
        if not 0 < real_number(level) < 1:
            raise ValueError(f"intervals(level) is a number between 0 and 1, got {brief(level)}")
        tail = (1 - level) / 2
        low, high = self.samples.quantile(tail), self.samples.quantile(1 - tail)
        columns = {"mean": self.samples.mean(), "sd": self.samples.std(), "low": low, "high": high}
        return pd.DataFrame(columns).rename_axis("parameter").reset_index()

    @typed
    def calibration(self, count: int = 200, draws: int = 199) -> Calibration:
        """Ranks of ``count`` truths, drawn from the prior and simulated anew, among ``draws`` of their posteriors.

        Raises
        ------
        ValueError
            If these are no whole numbers, or hardly a simulation does not diverge.
        """
        whole_number(count, "calibration(count)", 2)
        whole_number(draws, "calibration(draws)", 1)
        values, seen, _ = _simulated(self.parameters, self.simulator, self.seed, count, self.simulations)
        found = self.learned.sample(seen, draws, Stream.root([(self.seed, 0)])[0].at("calibration").seed())
        ranks = (_values(self.parameters, found) < values[:, None]).sum(1)
        return Calibration(pd.DataFrame(ranks, columns=self.names), draws)

    @typed
    def check(self, replicates: int = REPLICATES) -> PredictiveCheck:
        """Whether the scenario reproduces the observations with the posterior's numbers: a posterior predictive check.

        ``replicates`` new data sets are simulated, each with a posterior draw of its own.

        Raises
        ------
        ValueError
            If ``replicates`` is no whole number, or below 100.
        """
        whole_number(replicates, "check(replicates)", 100)
        row = self.simulator.wanted["value"].to_numpy(float)
        root = Stream.root([(self.seed, 0)])[0].at("check")
        units = self.learned.sample(row[None], replicates, root.at("draws").seed())
        made = self.simulator(_values(self.parameters, units)[0], root.at("replicates").seed())
        return predictive_check(row, made)

    @cached_property
    def checked(self) -> PredictiveCheck:
        """:meth:`check` with 400 replicates, simulated when it is first asked for; ``verdicts`` ask."""
        return self.check()

    @property
    def verdicts(self) -> pd.DataFrame:
        """What to mind, a row each: verdict and a sentence.

        *outside* (observations that no simulation reached), *fits* or *misfit* (whether the scenario reproduces the
        observations with the posterior's numbers, :meth:`check`), *lost* (simulations that diverged), *blind* (numbers
        that are as uncertain as before).
        """
        said = []
        if self.outside > most_by_chance(len(self.simulator), 2 / (self.simulations - self.lost + 1), _BY_CHANCE):
            where = f"{counted(self.outside, 'observation').capitalize()} of {len(self.simulator)}"
            said.append(
                (
                    "outside",
                    f"{where} lie outside of all that was simulated: the scenario did not make them, or its "
                    "bounds are too narrow; do not believe the samples.",
                )
            )
        said.append((self.checked.verdict, self.checked.sentence))
        if self.lost:
            share = percent(self.lost / self.simulations)
            said.append(
                ("lost", f"{share} of the simulations diverged: the posterior is of numbers with which nothing does.")
            )
        spread = self.samples.std() / _prior_spread(self.parameters)
        if blind := [name for name in self.names if spread[name] > _BLIND]:
            said.append(("blind", f"The observations hardly say anything of {joined(blind)}: as uncertain as before."))
        return pd.DataFrame(said, columns=["verdict", "sentence"])

    @property
    def sentence(self) -> str:
        """The intervals in words."""
        rows = self.intervals().itertuples(index=False)
        known = [
            f"{r.parameter} {number(r.mean, r.sd)} ({number(r.low, r.sd)} to {number(r.high, r.sd)})" for r in rows
        ]  # type: ignore[attr-defined]
        return f"posterior means, and 95 % intervals: {listed(known)}"

    def __repr__(self) -> str:
        return f"Posterior({self.sentence}; {self.simulations} simulations)"


@typed
def posterior(
    scenario: Scenario,
    observed: Any,
    free: Sequence[Any],
    *,
    noise: Any = None,
    measures: Sequence[Any] = (),
    simulations: int = 2000,
    samples: int = 2000,
    seed: int = 0,
) -> Posterior:
    """The posterior of free numbers by simulation, where chance is not Gaussian or members are neural.

    Numbers are drawn from the prior, uniform within their bounds (shares of a diet: on those that are a diet), the
    scenario is run with them, each time with chances of its own, and a conditional density ``q(numbers |
    observations)`` is fitted to the pairs: neural posterior estimation (Papamakarios and Murray 2016; the package
    ``sbi``, extra ``inference``). Of the observations it sees one summary for each free number: a regression of it on
    all of them (semi-automatic summaries: Fearnhead and Prangle 2012). So the posterior is that given the summaries, no
    narrower than that given everything;
    :meth:`Posterior.calibration` checks it by simulation. The same seed gives the same samples.

    Nothing is asked of members but to run, so they may be neural: what is observed of them are columns of ``rounds``
    (``alignment``, ``loss``, ``change``), single weights that were kept (``net.0.bias[1]``), and measures of your own.
    They start from the scenario's weights, which are taken for known.

    Parameters
    ----------
    scenario: as it would be run, on ``samples=n``: its own chance is the likelihood.
    observed: :class:`Observations`, or a table, run or file of such; missing values are not looked at. Alignments
        without closed form are judged by as many samples as in the run that was observed; of a table say it,
        ``Observations(table, record=Record(judged=1000))``, else they are 256.
    free: as of :func:`fit`; each needs both bounds.
    noise: the standard deviation of errors of reading, on top of that chance: a number, a dict by measure, or
        ``"column"`` for their column sd. By default none; the column, if the scenario leaves nothing to chance.
    measures: measures of your own that are observed, as of :class:`Record`.
    simulations: how many runs (a diverging one is left out).
    samples: how many posterior draws.

    Raises
    ------
    ImportError
        If ``sbi`` is not installed.
    ValueError
        If a bound is missing, nothing is left to chance, an observation is of an unknown member, round or measure, or
        too few simulations do not diverge; what ``free`` refuses.
    """
    seen = as_observations(observed)
    parameters = Parameters(scenario, free)
    _refuse_unbounded(parameters)
    whole_number(simulations, "posterior(simulations)", _FEWEST)
    whole_number(samples, "posterior(samples)", 1)
    a_seed(seed, "posterior(seed)")
    simulator = Simulator(scenario, parameters, seen, noise, measures)
    if (long := seconds(simulator.scenario, simulations * simulator.runs)) > _LONG:
        warn(
            f"{simulations} simulations of scenario {scenario.name!r} take about {long / 3600:.3g} hours; for less "
            "give it fewer rounds, samples or steps of training, or make fewer simulations"
        )
    values, made, lost = _simulated(parameters, simulator, seed, simulations, 0)
    units = np.stack([_unit(parameters, row) for row in values])
    learned = Learned(units, made, Stream.root([(seed, 0)])[0].at("posterior").seed())
    row = simulator.wanted["value"].to_numpy(float)
    outside = int(((row < made.min(0)) | (row > made.max(0))).sum())
    drawn = learned.sample(row[None], samples, Stream.root([(seed, 0)])[0].at("samples").seed())
    table = pd.DataFrame(_values(parameters, drawn)[0], columns=parameters.names)
    return Posterior(parameters.names, table, simulations, lost, outside, seed, parameters, simulator, learned)


def _simulated(
    parameters: Parameters, simulator: Simulator, seed: int, count: int, first: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Draws of the prior ``[n, P]`` and what is observed then ``[n, rows]``; how many of ``count`` diverged."""
    values = prior_draws(parameters, count, Stream.root([(seed, first)])[0].at("prior"))
    luck = Stream.root([(seed, 0)])[0].at("simulations").seed()  # of no run with that seed, so not of what was observed
    made = simulator(values, luck, first)
    kept = np.isfinite(made).all(1)
    if kept.sum() < min(_FEWEST, count) / 2:
        wrong = simulator.wanted.iloc[int(np.isfinite(made).sum(0).argmin())]
        raise ValueError(
            f"{count - kept.sum()} of {count} simulations have no {wrong['measure']!r} of {wrong['member']!r} after "
            f"round {wrong['round']}: they diverge, or it is not known there; narrow the bounds, or leave it out"
        )
    return values[kept], made[kept], int(count - kept.sum())


def prior_draws(parameters: Parameters, count: int, rng: Stream) -> np.ndarray:
    """Free numbers ``[count, P]``, uniform within their bounds, shares on the diets that there are."""
    low, high = parameters.low, parameters.high
    found: list[np.ndarray] = []
    for attempt in range(_TRIES):
        some = low + (high - low) * rng.at(attempt).uniform(count * len(low)).reshape(count, -1).numpy()
        found += [row for row in some if _allowed(parameters, row)]
        if len(found) >= count:
            return np.stack(found[:count])
    raise ValueError(
        f"of {_TRIES * count} draws within the bounds of {listed(parameters.names)} only {len(found)} are diets; "
        "narrow the bounds"
    )


def _allowed(parameters: Parameters, row: np.ndarray) -> bool:
    """Whether shares add up to a diet: then they come back from the box."""
    return bool(np.allclose(parameters.box(torch.from_numpy(parameters.unbox(row))).numpy(), row, atol=1e-9))


def _unit(parameters: Parameters, row: np.ndarray) -> np.ndarray:
    """Values as numbers without bounds, ``[P]``: the logit of their place in the box."""
    low, high = parameters.box_bounds
    place = np.clip((parameters.unbox(row) - low) / (high - low), 1e-9, 1 - 1e-9)
    return np.log(place) - np.log1p(-place)


def _values(parameters: Parameters, units: np.ndarray) -> np.ndarray:
    """The way back, ``[..., P]``."""
    low, high = parameters.box_bounds
    place = torch.sigmoid(torch.from_numpy(np.asarray(units, dtype=float))).numpy()
    return parameters.box(torch.from_numpy(low + (high - low) * place)).numpy()


def _prior_spread(parameters: Parameters) -> pd.Series:
    draws = prior_draws(parameters, 400, Stream.root([(0, 0)])[0].at("spread"))
    return pd.Series(draws.std(0, ddof=1), index=parameters.names)


def _refuse_unbounded(parameters: Parameters) -> None:
    for name, low, high in zip(parameters.names, parameters.low, parameters.high, strict=True):
        if not np.isfinite([low, high]).all():
            raise ValueError(f"{name} has no upper bound, and a prior needs one: {name!r} with high=..., '{name}::5'")
