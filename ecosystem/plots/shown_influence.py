"""What a notebook shows of influence: the facts in a line, what they mean, and the largest effects, one a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ecosystem.core.words import counted, number, safe
from ecosystem.influence import Findings, Influence, Measured, judgement
from ecosystem.influence.sentences import VERDICTS, Analysed
from ecosystem.influence.story import headline
from ecosystem.plots.shown import ROWS, table

WORDS = VERDICTS | {"few": "too few pairs of runs", "unclear": "unclear", "raises": "raises", "lowers": "lowers it"}


def influence(effect: Influence) -> str:
    """An exact influence as HTML: what it is of, its headline, and its largest effects with their verdicts."""
    exact: Any = effect  # its properties are cached, which no protocol says
    return _exact(judgement.tables(exact), effect.scenario.name, effect.point.message)


def findings(findings: Findings) -> str:
    """A saved analysis as HTML: as of what was analysed."""
    return _exact(findings, str(findings.settings.get("scenario")), str(findings.settings.get("when") or ""))


def _exact(found: Analysed, name: str, where: str) -> str:
    of, measure = judgement.subject(found)
    sources, targets = (counted(found.influence[side].nunique(), side) for side in ("source", "target"))
    formal = str(found.settings.get("formal") or "")
    facts = [f"{sources}, {targets}", where, f"formal: {formal}" if formal else ""]
    rows = judgement.largest(found, ROWS)
    told = headline(found)
    return _shown(
        f"Influence of {judgement.moved(of)} on {measure} in {name}",
        facts,
        told,
        map(_effect, rows.to_dict("records")),
        len(found.influence),
    )


def measured(measured: Measured) -> str:
    """A measured influence as HTML: how it was measured, what is clear of it, and its largest effects."""
    told = measured.verdicts
    how = [f"±{measured.delta:g}", f"rounds from {measured.burn_in + 1} averaged", *measured.notes]
    clear = told[~told["verdict"].isin(["unclear", "few", "undefined", "none"])]
    words = f"Of {counted(len(told), 'effect')} {counted(len(clear))} {'is' if len(clear) == 1 else 'are'} clear."
    rows = told.loc[told["effect"].abs().sort_values(ascending=False, kind="stable").index[:ROWS]]
    lines = ({**_effect(row), **_reach(row, measured.confidence)} for row in rows.to_dict("records"))
    return _shown(f"Measured influence of curation on {measured.measure}", how, words, lines, len(told))


def _effect(row: dict[Any, Any]) -> dict[str, str]:
    network = {"the network": str(row["network"])} if "network" in row else {}
    effect = {"source": str(row["source"]), "target": str(row["target"]), "effect": number(row["effect"], sign=True)}
    return {**effect, **network, "verdict": str(WORDS.get(row["verdict"])), "in words": str(row["sentence"])}


def _reach(row: dict[Any, Any], confidence: float) -> dict[str, str]:
    reach = (row["high"] - row["low"]) / 2
    return {
        "effect": number(row["effect"], reach, sign=True)
        + (f" ± {number(reach)} ({100 * confidence:g} %)" if reach > 0 else "")
    }


def _shown(title: str, facts: Iterable[str], told: str, rows: Iterable[Mapping[str, str]], total: int) -> str:
    words = "; ".join(filter(None, facts))
    return f"<div><b>{safe(title)}</b>: {safe(words)}<p>{safe(told)}</p>{table(rows, total)}</div>"
