"""The measures that a record has names for: always ``alignment`` and ``change``, the others on request.

``draws`` counts where samples came from; ``tastes`` has every member's output under every judge's reward. ``sources``
has a row for each part of a training set (of members that train on data themselves): its ``source`` (a member or real
data), whether it was ``curated``, the round in which it was drawn (``born``), how many samples (``count``), and mean
and standard deviation of the consumer's reward over them. ``choices`` compares, flow by flow, what users were shown
with what they kept: quantiles of their reward ``before`` and ``after`` the choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.samples import OWN, REAL
from ecosystem.running.measures.view import View
from ecosystem.running.measures.watching import Chosen, Part, Trained, watching

_QUANTILES = np.linspace(0, 1, 21)
_PLACE = ["source", "target", "variant", "replicate"]


def alignment(view: View) -> Tensor:
    """``E r(x)`` of each member's own output by the taste of its users; NaN where it has none."""
    return view.alignment()


def change(view: View) -> Tensor:
    """``‖Δθ‖/‖θ‖`` of each member over the round, NaN from 0."""
    return view.change()


def tastes(view: View) -> pd.DataFrame:
    """Every member's output under every judge's reward: columns member, judge, reward."""
    names, judging = view.names, view.judges
    out = np.full((len(names), len(judging), *view.alive.shape), np.nan)
    for j, judge in enumerate(judging):
        for i, name in enumerate(names):
            if view.comparable(judge, name):
                out[i, j] = view.opinion(judge, name).cpu().numpy()
    return view.frame("reward", out, member=names, judge=judging)


def demand(view: View) -> pd.DataFrame:
    """How users who choose between members divide themselves: columns group, member, weight; kept wherever they do."""
    found = [
        view.frame(
            "weight", torch.stack(list(weights.values()))[None].cpu().numpy(), group=[group], member=list(weights)
        )
        for group, weights in view.demand().items()
    ]
    return pd.concat(found, ignore_index=True) if found else _blank("group", "member", "weight")


# -- what watches the round --------------------------------------------------------------------------------------------


@watching(drawn=lambda event: event)
def draws(view: View) -> pd.DataFrame:
    """Where samples of members that retrained came from: columns member, component, source, curated, count.

    ``source`` and ``curated`` say whose samples they are; ``component`` says both in words.
    """
    counts: dict[Part, np.ndarray] = {}
    silent: dict[Part, np.ndarray] = {}
    for event in view.seen(draws):
        for part, row, off in zip(event.parts, event.counts.cpu().numpy(), event.dormant.cpu().numpy(), strict=True):
            counts[part] = counts[part] + row if part in counts else row
            silent[part] = off
    if not counts:
        return _blank("member", "component", "source", "curated", "count")
    members = np.array([part.member for part in counts])
    table = np.stack(list(counts.values())).transpose(1, 2, 0)  # [variants, replicates, parts]
    known = view.updated.cpu().numpy()[members].transpose(1, 2, 0)  # what was drawn for others was not used
    known &= (table > 0) | ~np.stack(list(silent.values())).T[:, None]
    variant, replicate, part = known.nonzero()
    texts = {"component": [p.label for p in counts], "source": [p.source for p in counts]}
    said = {name: np.array(many, dtype=object)[part] for name, many in texts.items()}
    said["curated"] = np.array([p.curated for p in counts])[part]
    where = {"variant": variant, "replicate": replicate}
    return pd.DataFrame({"member": _named(view, members[part]), **said, **where, "count": table[known]})


def _by_origin(event: Trained) -> list[dict[str, float]]:
    """A row for each origin of a training set, and each round of its birth."""
    parts, which = torch.unique(torch.stack([event.data.origin, event.data.round]), dim=1, return_inverse=True)
    rows = []
    for number, (origin, born) in enumerate(parts.T.tolist()):
        values = event.reward[which == number]
        row = {"member": event.member, "origin": origin, "born": born}
        row |= {"variant": event.variant, "replicate": event.replicate, "count": len(values)}
        rows.append({**row, "reward": float(values.mean()), "deviation": float(values.std(correction=0))})
    return rows


@watching(trained=_by_origin)
def sources(view: View) -> pd.DataFrame:
    """What members trained on, part by part: columns member, source, curated, born, count, reward, deviation."""
    rows = [row for event in view.seen(sources) for row in event]
    if not rows:
        return _blank("member", "source", "curated", "born", "count", "reward", "deviation")
    table = pd.DataFrame(rows)
    table = table[view.updated.cpu().numpy()[table["member"], table["variant"], table["replicate"]]]
    origin = table.pop("origin")
    names = [{REAL: "real", OWN: "own"}.get(i) or view.names[i // 2] for i in origin]
    table.insert(1, "source", names)
    table.insert(2, "curated", (origin >= 0) & (origin % 2 == 1))
    return table.assign(member=_named(view, table["member"]))


def _rewards(event: Chosen) -> pd.DataFrame:
    parts = {name: getattr(event, name).cpu().numpy() for name in (*_PLACE, "before", "after")}
    return pd.DataFrame(parts)


@watching(chosen=_rewards)
def choices(view: View) -> pd.DataFrame:
    """Quantiles of users' rewards before and after they chose: columns source, target, quantile, before, after."""
    events = view.seen(choices)
    if not events:
        return _blank("source", "target", "quantile", "before", "after")
    table = pd.concat(events)
    table = table[view.updated.cpu().numpy()[table["target"], table["variant"], table["replicate"]]]
    if table.empty:
        return _blank("source", "target", "quantile", "before", "after")
    spread = table.groupby(_PLACE, sort=True)[["before", "after"]].quantile(_QUANTILES)
    spread = spread.rename_axis([*_PLACE, "quantile"]).reset_index()
    return spread.assign(**{side: _named(view, spread[side]) for side in ("source", "target")})


def _named(view: View, places: Any) -> np.ndarray:
    return np.array(view.names, dtype=object)[np.asarray(places)]


def _blank(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=[*columns, "variant", "replicate"])
