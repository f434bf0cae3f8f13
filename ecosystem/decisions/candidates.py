"""Candidates: what could be done to an ecosystem, and looked at, to learn more of its free numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, real_number, whole_number
from ecosystem.core.words import listed
from ecosystem.decisions.observed import FINEST
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.predicting import Predictor
from ecosystem.scenario import Scenario
from ecosystem.scenario.interventions import Intervention


@spelled
@dataclass(frozen=True)
class Candidate:
    """An experiment that could be made: a run of the scenario, with what is done and what is recorded in it.

    It is another run, independent of what was observed, from the start on: its rounds count again, though the same were
    observed. With ``going_on`` it is the observed run itself, played on: only rounds after the last observed one count.

    Parameters
    ----------
    name: what it is called.
    interventions: what happens in it, lists by round, ``{10: [Curate("hub", 0.6)]}``; added to those of the scenario.
    rounds: how long it is; by default as the scenario.
    measures: what is recorded; by default what was observed.
    members: of whom; by default all of whom the measure was observed (of a new measure: all members).
    at: after which rounds; by default after each, from 1 on.
    noise: the standard deviation of a value's error, a number or one by measure; by default that of the observations of
        the same measure and member, or of the same measure.
    replicates: how many times it is run; errors of means shrink by the root of that.
    going_on: whether it continues the observed run, to ``rounds`` in all.

    Raises
    ------
    ValueError
        If a name is empty, a number is no number, or an error not above 0.

    >>> from ecosystem import Curate
    >>> Candidate("step", interventions={10: [Curate("hub", 0.6)]}, rounds=20).name
    'step'
    """

    name: str
    interventions: Mapping[int, Sequence[Intervention]] = field(default_factory=dict)
    rounds: int | None = None
    measures: Sequence[str] | None = None
    members: Sequence[str] | None = None
    at: Sequence[int] | None = None
    noise: Any = None
    replicates: int = 1
    going_on: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"Candidate(name) is a text, got {brief(self.name)}")
        whole_number(self.replicates, f"Candidate({self.name!r}, replicates)", 1)
        if not isinstance(self.going_on, bool):
            raise TypeError(f"Candidate({self.name!r}, going_on) is True or False, got {brief(self.going_on)}")
        if self.rounds is not None:
            whole_number(self.rounds, f"Candidate({self.name!r}, rounds)", 1)
        if not isinstance(self.interventions, Mapping):
            raise TypeError(
                f"Candidate({self.name!r}, interventions) are lists by round, {{10: [Curate('hub', 0.6)]}}, got "
                f"{brief(self.interventions)}"
            )
        for round, done in self.interventions.items():
            if not isinstance(done, Intervention | list | tuple):
                raise TypeError(
                    f"Candidate({self.name!r}, interventions) in round {brief(round)} is a list, [Curate('hub', 0.6)], "
                    f"got {brief(done)}"
                )
        for what in ("measures", "members", "at"):
            self._check_list(what)
        for size in self.noise.values() if isinstance(self.noise, dict) else [self.noise]:
            if self.noise is not None and not FINEST < real_number(size) < 1 / FINEST:
                raise ValueError(
                    f"Candidate({self.name!r}, noise) is a number above 0 (from {FINEST:g} to {1 / FINEST:g}), got "
                    f"{brief(size)}"
                )

    def _check_list(self, what: str) -> None:
        """Refuse what is no list of different things, or an empty one."""
        given = getattr(self, what)
        if given is None:
            return
        place = f"Candidate({self.name!r}, {what})"
        if isinstance(given, str) or not isinstance(given, Sequence | range):
            raise TypeError(f"{place} is a list, or None, got {brief(given)}")
        for one in given:
            if what == "at":
                whole_number(one, place, 0)
            elif not isinstance(one, str):
                raise TypeError(f"{place} is a list of names, got {brief(given)}")
        if not given or len(set(given)) < len(given):
            raise ValueError(
                f"{place} names at least one, each once, got {brief(given)}; replicates= counts them again"
            )

    def scenario(self, fitted: Scenario) -> Scenario:
        """The scenario in which it is done.

        Raises
        ------
        ValueError, KeyError
            If something cannot be done in it, as :meth:`Scenario.at`.
        """
        new = fitted if self.rounds is None else fitted.replace(rounds=self.rounds)
        many = {round: list(new.interventions.get(round, [])) for round in {*new.interventions, *self.interventions}}
        for round, more in self.interventions.items():
            many[round] += [more] if isinstance(more, Intervention) else list(more)
        try:
            return new.replace(interventions=dict(sorted(many.items())))
        except (KeyError, ValueError) as error:
            raise type(error)(f"candidate {self.name!r}: {error.args[0]}") from error

    def planned(
        self, fitted: Scenario, parameters: Parameters, observed: pd.DataFrame, own: Sequence[Any], seed: int = 0
    ) -> Plan:
        """What it would show, as a function of the free numbers; ``observed`` are rows with their ``sd``.

        ``seed`` is that of the observed run's random orders and clocks, which go on where the run does.
        """
        scenario = self.scenario(fitted)
        if self.going_on:
            self._check_later(scenario, int(observed["round"].max()))
        wanted = self._wanted(scenario, observed)
        free = Parameters(scenario.replace(samples=None), [*parameters.free, *parameters.remainder])
        try:
            return Plan(
                Predictor(scenario, free, wanted, measures=own, seed=seed if self.going_on else 0),
                self._errors(wanted, observed),
                np.arange(len(wanted)),
            )
        except (KeyError, ValueError) as error:
            raise type(error)(f"candidate {self.name!r}: {error.args[0]}") from error

    def _check_later(self, scenario: Scenario, last: int) -> None:
        """Refuse to go on with what was observed up to round ``last`` in rounds that are over."""
        place = f"candidate {self.name!r} goes on after round {last}, the last that was observed"
        if scenario.rounds <= last:
            raise ValueError(f"{place}, and ends with round {scenario.rounds}; say until when: rounds={2 * last}")
        for what, rounds in (("looks at", self.at or ()), ("acts in", self.interventions)):
            if early := [round for round in rounds if round <= last]:
                raise ValueError(f"{place}, and {what} round {early[0]}, which is over; begin with round {last + 1}")

    def repeated(self, observed: pd.DataFrame, plan: Plan) -> int:
        """How many facts that were observed it shows once more, as they were: another run, or nothing done yet.

        Those of the start are not counted, and none where something is done up to the last observed round.
        """
        if self.going_on or min(self.interventions, default=np.inf) <= observed["round"].max():
            return 0
        fact = ["member", "round", "measure"]
        asked = plan.predictor.wanted
        return len(asked[asked["round"] > 0].merge(observed[fact].drop_duplicates(), on=fact))

    def _wanted(self, scenario: Scenario, observed: pd.DataFrame) -> pd.DataFrame:
        measures = list(dict.fromkeys(observed["measure"] if self.measures is None else self.measures))
        first = int(observed["round"].max()) + 1 if self.going_on else 1
        rounds = range(first, scenario.rounds + 1) if self.at is None else self.at
        rows = []
        for measure in measures:
            seen = list(dict.fromkeys(observed["member"][observed["measure"] == measure]))
            members = self.members or seen or list(scenario.graph.nodes)
            rows += [(member, round, measure) for round in rounds for member in members]
        return pd.DataFrame(rows, columns=["member", "round", "measure"])

    def _errors(self, wanted: pd.DataFrame, observed: pd.DataFrame) -> np.ndarray:
        """Standard deviations ``[rows]`` of a mean over the replicates."""
        known = observed.assign(square=observed["sd"] ** 2)
        by_both = known.groupby(["measure", "member"])["square"].mean()
        by_measure = known.groupby("measure")["square"].mean()
        found = []
        for member, measure in zip(wanted["member"], wanted["measure"], strict=True):
            said = self.noise.get(measure) if isinstance(self.noise, dict) else self.noise
            if said is not None:
                found.append(float(said) ** 2)
            elif measure in by_measure.index:
                found.append(float(by_both.get((measure, member), by_measure[measure])))
            else:
                raise ValueError(
                    f"candidate {self.name!r}: nobody knows the error of {measure!r}, which was not observed; known "
                    f"are {listed(by_measure.index)}; give it noise={{{measure!r}: 0.1}}"
                )
        return np.sqrt(np.array(found) / self.replicates)


@dataclass(frozen=True, eq=False)
class Plan:
    """Rows that a run shows, as a function of the free numbers, and their errors ``sd [rows]``.

    ``rows``: which of those of the predictor, where several observations are of one fact.
    """

    predictor: Predictor
    sd: np.ndarray
    rows: np.ndarray

    @property
    def rough(self) -> bool:
        """Whether some of the Jacobian comes of differences."""
        return bool(self.predictor.differenced)

    def whitened(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions ``[..., rows]`` and their Jacobian ``[..., rows, P]``, in units of the errors."""
        value, slope = self.predictor.jacobian(values)
        return value[..., self.rows] / self.sd, slope[..., self.rows, :] / self.sd[:, None]
