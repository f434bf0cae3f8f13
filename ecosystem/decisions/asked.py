"""What is asked of a scenario's rounds: tables of member, round and measure, refused where there is no such thing."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ecosystem.core.check import brief
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.decisions.columns import checked_names
from ecosystem.running.agents import ModelAgent
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import check_known
from ecosystem.scenario.network import standing_for_all

PLACE = ("member", "round", "measure")


def checked_wanted(scenario: Scenario, wanted: Any) -> pd.DataFrame:
    """A table of what is asked: the columns member, round and measure, refused where it asks for what is not there."""
    if not isinstance(wanted, pd.DataFrame) or any(name not in wanted for name in PLACE):
        raise TypeError(f"what is observed is a frame with the columns {', '.join(PLACE)}, got {brief(wanted)}")
    if not len(wanted):
        raise ValueError("the frame of what is observed has no rows")
    table = wanted[list(PLACE)].reset_index(drop=True)
    for member in dict.fromkeys(table["member"]):
        check_known(member, scenario.graph, "what is observed")
    checked_names(list(dict.fromkeys(table["measure"])), "measures that are observed")
    rounds = pd.to_numeric(table["round"], errors="coerce")
    wrong = ~((rounds >= 0) & (rounds <= scenario.rounds) & (rounds % 1 == 0))
    if wrong.any():
        raise ValueError(
            f"scenario {scenario.name!r} has rounds 0 to {scenario.rounds}, and round "
            f"{brief(table['round'][wrong].tolist()[0])} is observed (of {table['member'][wrong].iloc[0]!r}); give it "
            "as many: replace(rounds=...)"
        )
    return table.assign(round=rounds.astype(int))


def places(wanted: pd.DataFrame, index: dict[str, int]) -> dict[int, tuple[list[int], list[int], list[str]]]:
    """By round: which rows ask about it, about whom, and by what measure."""
    found: dict[int, tuple[list[int], list[int], list[str]]] = {}
    for row, (member, number, measure) in enumerate(wanted.itertuples(index=False, name=None)):
        rows, members, names = found.setdefault(int(number), ([], [], []))
        rows.append(row)
        members.append(index[member])
        names.append(measure)
    return found


def check_played(scenario: Scenario) -> None:
    """Refuse what has no population dynamics of its own."""
    try:
        scenario.check()
    except NoPopulationLaw as error:
        raise NoPopulationLaw(
            f"{str(error).partition(';')[0]}, and a fit is of population rounds; posterior(...) learns from sampled "
            "runs, and needs no law"
        ) from error
    for name, member, _ in standing_for_all(scenario):
        if member.agent is not None and member.agent is not ModelAgent:
            raise ValueError(
                f"{name!r} has an agent of its own, {member.agent.__name__}, which may act in ways that no derivative "
                "knows; say what it does by interventions instead"
            )
