"""What a notebook shows of runs, scenarios, ecosystems, agents and models: the facts in a line, then small tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.words import counted, number, percent, safe, shortened
from ecosystem.generators.closed_form import ClosedForm
from ecosystem.plots.network.draw import MOST, network
from ecosystem.running.agents import ModelAgent
from ecosystem.running.ecosystem import Ecosystem
from ecosystem.running.run import Run
from ecosystem.running.verdicts import AGAINST, headline, replicates
from ecosystem.scenario.scenario import Scenario

ROWS = 12  # of a table, at most


def table(rows: Iterable[Mapping[str, str]], total: int) -> str:
    """A table of texts, of which the first `ROWS` are there."""
    some = [dict(row) for row in rows]
    if not some:
        return ""
    head = "".join(f"<th style='text-align:left'>{safe(name)}</th>" for name in some[0])
    body = "".join("<tr>" + "".join(_cell(text) for text in row.values()) + "</tr>" for row in some)
    rest = f"<p>… and {counted(total - len(some), 'more row')}</p>" if total > len(some) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def run(run: Run) -> str:
    """A run as HTML: what it is, what became of its members, and a row for each verdict."""
    told, facts = run.verdicts, run.settings
    rounds = f"{facts.get('completed', '?')} of {facts.get('rounds', '?')} rounds"
    samples = "the population" if facts.get("samples") is None else f"{facts['samples']} samples a member"
    failed = len(run.failures[["seed", "replicate"]].drop_duplicates())
    parts = [rounds, counted(replicates(run), "replicate"), samples, str(facts.get("ordering", ""))]
    parts += [f"{counted(failed, 'replicate')} diverged"] if failed else []
    rows = told if len(told) <= ROWS else told.reindex(told["change"].abs().sort_values(ascending=False).index)
    verdicts = table((_verdict(row) for row in rows.head(ROWS).to_dict("records")), len(told))
    title = f"Run of {facts.get('scenario', 'a scenario')}"
    told_all = f"<p>{safe(headline(run, told))}</p>"
    return f"<div><b>{safe(title)}</b>: {safe(', '.join(filter(None, parts)))}{told_all}{verdicts}</div>"


def _verdict(row: dict[Any, Any]) -> dict[str, str]:
    scale = row["error"] if row["error"] > 0 else None
    reach = (row["high"] - row["low"]) / 2
    change = number(row["change"], scale, sign=True) + (f" ± {number(reach)}" if reach > 0 else "")
    return {
        "member": row["member"],
        "λ": percent(float(row["curation"])),
        "alignment at the start": number(row["start"], scale),
        "compared with": f"{number(row['alone'], scale)} {AGAINST.get(row['against'], '')}",
        "at the end": number(row["end"], scale),
        "change (95 %)": change,
        "verdict": row["words"],
    }


def scenario(scenario: Scenario) -> str:
    """A scenario as HTML: how long and in which order it runs, its network up to `MOST` members, members and flows."""
    samples = "the population" if scenario.samples is None else f"{scenario.samples} samples a member"
    parts = [counted(scenario.rounds, "round"), str(scenario.ordering), samples]
    parts += [counted(len(scenario.names), "member"), counted(scenario.graph.size(), "flow")]
    tables = scenario.describe()
    keys = {"members": ["generator", "curation", "real", "reward", "curator"], "flows": ["raw", "curated", "chosen_by"]}
    shown_tables = [_described(tables[name], columns) for name, columns in keys.items()]
    drawing = str(network(scenario, width=680)) if 0 < len(scenario.names) <= MOST else ""
    facts = safe(", ".join(parts))
    return f"<div><b>Scenario {safe(scenario.name)}</b>: {facts}{drawing}{''.join(shown_tables)}</div>"


def _described(frame: pd.DataFrame, columns: list[str]) -> str:
    """A table of a scenario; a flow is written with an arrow."""
    rows = []
    for row in frame.head(ROWS).to_dict("records"):
        first = {"member": row["member"]} if "member" in row else {"flow": f"{row['source']} → {row['target']}"}
        more = {name: percent(row[name]) if isinstance(row[name], float) else str(row[name]) for name in columns}
        rows.append({**first, **more})
    return table(rows, len(frame))


def ecosystem(ecosystem: Ecosystem) -> str:
    """An ecosystem as HTML: how far it is, and how its members stand now, means over replicates."""
    parts = [f"{ecosystem.completed} of {ecosystem.rounds} rounds", counted(len(ecosystem.seeds), "replicate")]
    if lost := int((~ecosystem.alive).sum()):
        parts.append(f"{counted(lost, 'replicate')} diverged")
    agents = list(ecosystem.agents)
    members = table(({"member": agent.name, **_now(agent)} for agent in agents[:ROWS]), len(agents))
    title = f"Ecosystem {ecosystem.graph.name}"
    return f"<div><b>{safe(title)}</b>: {safe(', '.join(parts))}{members}</div>"


def agent(agent: ModelAgent) -> str:
    """An agent as HTML: how it stands now, and what it trains on."""
    rows = [
        {"source": name, "raw": percent(_mean(raw)), "curated": percent(_mean(curated))}
        for name, (raw, curated) in agent.sources.items()
    ]
    now = ", ".join(f"{name} {value}" for name, value in _now(agent).items())
    return f"<div><b>{safe(f'Agent {agent.name}')}</b>: {safe(now)}{table(rows[:ROWS], len(rows))}</div>"


def _now(agent: ModelAgent) -> dict[str, str]:
    generator = type(agent.member.generator).__name__
    alignment = number(_mean(agent.alignment)) if agent.member.reward is not None else "–"
    read = [share for pair in agent.sources.values() for share in pair]
    curated = sum(_mean(pair[1]) for pair in agent.sources.values())
    real = max(0.0, 1.0 - sum(map(_mean, read)))
    return {"generator": generator, "alignment": alignment, "λ": percent(curated), "real": percent(real)}


def _mean(values: Tensor) -> float:
    values = values.double()
    return float(values[torch.isfinite(values)].mean())


def model(model: ClosedForm) -> str:
    """A model of a closed-form family as HTML: its parameters, number by number where they are few."""
    settings = {name: getattr(model, name) for name in model.SETTINGS}
    known = [f"{name} {value:g}" for name, value in settings.items() if isinstance(value, float)]
    batch = f"{list(model.batch_shape)} of them" if model.batch_shape else ""
    rows = [
        {"parameter": name, "shape": "×".join(map(str, tensor.shape)) or "a number", "numbers": _numbers(tensor)}
        for name, tensor in model.tensors().items()
    ]
    facts = ", ".join(filter(None, (batch, *known)))
    return f"<div><b>{safe(type(model).__name__)}</b> {safe(facts)}{table(rows, len(rows))}</div>"


def _numbers(tensor: Tensor) -> str:
    """Some numbers in words: rows with semicolons between them, or where they lie."""
    values = tensor.detach().double().cpu()
    if values.ndim <= 2 and values.numel() <= 16:
        rows = values.reshape(-1, values.shape[-1] if values.ndim else 1).tolist()
        return "; ".join(" ".join(number(x) for x in row) for row in rows)
    return f"{values.numel():,} numbers from {number(float(values.min()))} to {number(float(values.max()))}"


def _cell(text: str) -> str:
    return f"<td style='text-align:left' title='{safe(text)}'>{safe(shortened(text, 44))}</td>"
