"""What an influence analysis means, told in chapters that the page and the command line share.

Of the influence of curation on alignment all is told; where another number is moved, or another measure looked at, the
strongest effects are, one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import called, capital, counted, joined, number, percent
from ecosystem.influence import cutting, judgement
from ecosystem.influence.findings import Findings
from ecosystem.influence.sentences import NAMED, TOLD, Analysed, judged, others, own, points, smallest, strongest
from ecosystem.influence.spectra import below_one

UNIT = (
    "Curating a member means that more of what it trains on is chosen, by whoever chooses there: the curated shares of "
    "its diet grow in proportion, and all others, real data too, shrink in proportion. Sentences speak of one "
    "percentage point more; tables and figures hold the derivative, for a whole unit of that share: 100 times as much."
)
OTHERWISE = "Tables and charts hold derivatives, for a whole unit of {}; sentences speak of a hundredth of it."
FAR = 0.01  # relative distance to the stable point above which numbers come with a warning
ORDERS = 4  # orders of updates that get a sentence; the table has them all


def story(findings: Findings) -> list[tuple[str, list[str]]]:
    """All there is to say, as headings with their sentences; headings without sentences are left out."""
    limited, settled = ("How far these numbers go", limits(findings)), ("Does the network settle?", settling(findings))
    promises = ("What the graph alone promises", list(findings.settings.get("promises") or []))
    skipped, unjudged = missing(findings, "skipped"), missing(findings, "unjudged")
    if judgement.subject(findings) != judgement.USUAL:
        told = judgement.largest(findings, TOLD)["sentence"].tolist()
        most = f"What it does: the {len(told)} strongest of {len(findings.influence):,} effects"
        heading = most if len(told) < len(findings.influence) else "What it does"
        chapters = [
            limited,
            (heading, told),
            settled,
            promises,
            ("Who is no source", skipped),
            ("Who is no target", unjudged),
        ]
    else:
        chapters = [
            limited,
            ("What curation does to the member itself", own(findings)),
            ("What it does to the others", others(findings)),
            ("Who gains and who pays", welfare(findings)),
            ("What a cut would do", cutting.told(findings)),
            settled,
            promises,
            ("Whose curation has no derivative", skipped),
            ("Whose alignment is not looked at", unjudged),
        ]
    return [(title, sentences) for title, sentences in chapters if sentences]


def unit(findings: Analysed) -> str:
    """What the numbers of tables and charts are, and those of sentences."""
    of, _ = judgement.subject(findings)
    return UNIT if of == "curation" else OTHERWISE.format(judgement.moved(of))


def headline(findings: Analysed) -> str:
    """The verdicts in one or two sentences."""
    of, measure = judgement.subject(findings)
    if (of, measure) != judgement.USUAL:
        return _counts(findings, of, measure)
    own_rows, cross = strongest(judged(findings, "self")), strongest(judged(findings, "cross"))
    if findings.influence.empty:
        return "There is no influence to speak of: nobody’s curation has a derivative here."
    verbs = {"pays": "pays for", "backfires": "backfires for", "none": "makes no difference to"}
    groups = {verb: list(own_rows.loc[own_rows["verdict"] == verdict, "source"]) for verdict, verb in verbs.items()}
    parts: list[str] = []
    for verb, members in groups.items():
        if verb.endswith("to") and len(members) == len(own_rows) > 0:
            parts.append(f"{verb} the members themselves")
        elif members:
            parts.append(f"{verb} {_who(findings, members, len(own_rows), again=bool(parts))}")
    words = [f"Curation {'; it '.join(parts)}."] if parts else []
    if lowered := list(own_rows.loc[own_rows["verdict"] == "lowers", "source"]):
        whom = _who(findings, lowered, len(own_rows), again=bool(parts))
        words.append(f"Reading more of what others choose lowers the alignment of {whom}.")
    harmful = cross[cross["verdict"] == "harms"]
    sources = list(dict.fromkeys(harmful["source"]))
    if len(sources) == 1:
        victims = _who(findings, list(harmful["target"]), len(findings.members))
        words.append(f"Curating {called(sources[0])} harms {victims}.")
    elif sources:
        words.append(f"Curating {_who(findings, sources, findings.influence['source'].nunique())} harms others.")
    helped = cross[cross["verdict"] == "helps"]
    if not words and len(helped):
        who = _who(findings, list(dict.fromkeys(helped["source"])), findings.influence["source"].nunique())
        whom = _who(findings, list(dict.fromkeys(helped["target"])), len(findings.members))
        words.append(f"Curating {who} helps {whom}.")
    return " ".join(words) or "Curation makes no difference to the others."


def _counts(findings: Analysed, of: str, measure: str) -> str:
    """How many effects of another number, or on another measure, have either sign, and the largest of them."""
    rows = findings.influence
    if rows.empty:
        return f"There is no influence of {judgement.moved(of)} on {measure} to speak of."
    first = str(judgement.largest(findings, 1)["sentence"].iloc[0])
    effect, small = rows["effect"].astype(float), smallest(rows)
    up, down = int((effect > small).sum()), int((effect < -small).sum())
    if len(rows) == 1 or up + down == 0:
        return first if len(rows) == 1 else f"Nobody’s {measure} answers to more {judgement.moved(of)}."
    counts = f"Of {counted(len(rows))} effects of more {judgement.moved(of)}, {counted(up)} raise the {measure}"
    return f"{counts} and {counted(down)} lower it. The largest: {first[0].lower() + first[1:]}"


def _who(findings: Analysed, members: list[str], total: int, again: bool = False) -> str:
    """Members by name, or by number where they are many."""
    if len(members) == total == len(findings.members) > 1:
        return "both members" if total == 2 else f"all {counted(total)} members"
    if len(members) <= NAMED and all(len(name) <= 24 for name in members):
        return joined([called(name) for name in members])
    if len(members) == total:
        return f"all {total:,} of them"
    return counted(len(members)) if again else f"{counted(len(members))} of {counted(total)} members"


def formal(findings: Findings) -> list[str]:
    """Why numbers are formal, and what that means."""
    reason = str(findings.settings.get("formal") or "").strip().rstrip(".")
    if not reason:
        return []
    return [f"These numbers are formal: {reason}."]


def limits(findings: Findings) -> list[str]:
    """Why numbers are formal, or how far the scenario's own rounds leave the network from where they hold."""
    settings = findings.settings
    if settings.get("formal") or not float(settings.get("distance") or 0.0) > FAR:
        return formal(findings)
    law = f", and the rest shrinks {settings['law']}" if str(settings["law"]).startswith("like") else ""
    words = f"These numbers are those of the long run: {settings['when']} from the stable point{law}."
    return [words.replace("it is", "the network is", 1)]


def welfare(findings: Findings) -> list[str]:
    """What every source's curation is worth to itself, to the others and to all; sums of alignments."""
    table = findings.welfare.set_index(findings.welfare["source"].astype(str))
    if table.empty or len(findings.members) < 2:
        return []
    if len(table) <= TOLD:
        sentences = [_balance(findings, str(name), row) for name, row in table.iterrows()]
    else:
        sentences = [_losers(findings, table, column) for column in ("externality", "social")]
    rewards = findings.members["reward"].astype(str)
    if rewards[rewards != "none"].nunique() > 1:
        sentences.append("Each taste has a scale of its own; these sums add alignments as they are.")
    return sentences


def _balance(findings: Findings, name: str, row: pd.Series) -> str:
    """One member's curation as a balance."""
    private, outside, social = (float(row[column]) for column in ("private", "externality", "social"))
    rest = [str(member) for member in findings.members["member"] if str(member) != name]
    they, s = (called(rest[0]), "s") if len(rest) == 1 else ("the others", "")
    small = float(_least(findings, "externality").get(name, 0.0))
    parts = [] if np.isnan(private) else [f"{points(private)} for itself"]
    parts += [f"{points(outside) if abs(outside) > small else 'nothing'} for {they}", f"{points(social)} in all"]
    sentence = f"{called(name)}’s curation: {', '.join(parts)}"
    if np.isnan(outside) or np.isnan(social):
        return f"{called(name)}’s curation: its effect on some of them is not defined, and so are the sums."
    if np.isnan(private):
        return f"{sentence}; nobody judges {called(name)} itself."
    if abs(outside) <= small:
        end = f"{they} neither gain{s} nor lose{s}"
    elif abs(private) <= small:
        end = f"only {they} {'gain' if outside > 0 else 'lose'}{s}"
    elif (private > 0) == (outside > 0):
        end = f"{they} {'gain' if outside > 0 else 'lose'}{s} too"
    elif abs(abs(private) - abs(outside)) <= small:
        end = f"it {'gains' if private > 0 else 'loses'} as much as {they} {'lose' if private > 0 else 'gain'}{s}"
    elif abs(private) > abs(outside):
        end = f"it gains more than {they} lose{s}" if private > 0 else f"it loses more than {they} gain{s}"
    else:
        end = f"{they} lose{s} more than it gains" if private > 0 else f"{they} gain{s} more than it loses"
    return f"{capital(sentence)}; {end}."


def _losers(findings: Findings, table: pd.DataFrame, column: str) -> str:
    """By how many members' curation the others, or all together, lose."""
    whom = {"externality": "the others, taken together, lose", "social": "the network as a whole loses"}[column]
    small = _least(findings, column).reindex(table.index.astype(str), fill_value=0.0).to_numpy()
    losers = table[column][table[column] < -small]
    losing, count = losers.sort_values().head(NAMED), len(losers)
    most = joined([f"{called(name)} ({points(value)})" for name, value in losing.items()])
    start = f"For {count:,} of {len(table):,} members, {whom} when that member is curated more"
    return f"{start}, most with {most}." if most else f"{start}."


def _least(findings: Findings, column: str) -> pd.Series:
    """By source, the size up to which a sum of its effects counts as nothing, beside the largest that is in it."""
    every = findings.influence
    rows = every[every["kind"] == "cross"] if column == "externality" else every
    least = smallest(rows, "source").groupby(rows["source"].astype(str)).max()
    return least.clip(lower=smallest(every).min())


def settling(findings: Findings) -> list[str]:
    """Whether rounds lead to the stable point, in which orders, and how fast; the scenario's own order comes first."""
    settings, table = findings.settings, findings.stability
    rows = table.head(ORDERS).to_dict("records")
    sentences = [_pace(row, settings.get("tolerance"), own=place == 0) for place, row in enumerate(rows)]
    certificate = settings.get("certificate")
    if isinstance(certificate, float) and np.isfinite(certificate):
        size = f"the certificate ρ(‖B‖) is {number(certificate)}"
        if below_one(certificate):
            sentences.append(f"It would settle in any order, with any bounded delays: {size}, below 1.")
        elif table["settles"].astype(bool).any():
            sentences.append(f"Other orders may fail: {size}, and only below 1 would it vouch for all of them.")
    if settings.get("seen"):
        when = settings.get("when") if settings["seen"] in ("settles", "wanders") else ""
        words = f"Played from its start, the network {str(settings['seen']).rstrip('.')}"
        sentences.append(f"{words}: {when}, relative to 1 + |θ*|." if when else f"{words}.")
    return sentences


def _pace(row: dict[Any, Any], tolerance: object, own: bool) -> str:
    """What rounds in one order make of a small distance to the stable point."""
    rate, exponent = float(row["rate"]), float(row.get("exponent", np.nan))
    order = f"In its own order of updates, {row['ordering']}," if own else f"With {row['ordering']} updates"
    unknown = np.isnan(rate) and np.isnan(exponent)  # what was played is all that is known
    never = "was not seen to settle" if unknown else "does not settle"
    words = f"{order} the network {'settles' if row['settles'] else never}"
    if below_one(rate):
        words += f"; each round leaves {percent(rate)} of a small distance to the stable point"
    elif np.isfinite(rate):
        words += f"; each round multiplies a small distance to the stable point by {number(rate)}"
    elif row["settles"] and np.isfinite(exponent):
        words += (
            f"; after t rounds about t^−{number(exponent, digits=2)} of a small distance to the stable point is left"
        )
    counts = {"predicted": float(row["predicted"]), "measured": float(row["measured"])}
    rounds = [
        f"{f'{value:,.0f}' if value < 1e7 else f'{value:.0e}'} {name}"
        for name, value in counts.items()
        if np.isfinite(value)
    ]
    near = f"{tolerance:g} of it is left" if isinstance(tolerance, float) else "it is gone"
    return f"{words} (rounds until {near}: {', '.join(rounds)})." if rounds else f"{words}."


def missing(findings: Findings, fact: str) -> list[str]:
    """Who is no source ("skipped") or no target ("unjudged"), and why; one sentence for all that share a reason."""
    groups: dict[str, list[str]] = {}
    for member, reason in (findings.settings.get(fact) or {}).items():
        why = str(reason).split("; ")[0].strip().rstrip(".")  # what follows is for who writes the scenario
        groups.setdefault(why, []).append(str(member))
    sentences = []
    for reason, members in groups.items():
        named = [called(name) for name in members[:NAMED]]
        more = [f"{counted(len(members) - NAMED)} more"] if len(members) > NAMED else []
        each = ", each for this reason" if len(members) > 1 else ""
        sentences.append(f"{capital(joined(named + more))}{each}: {reason}.")
    return sentences
