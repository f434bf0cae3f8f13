"""What a study found, in plain sentences: a headline, how alignment moves over the parameters, and how sure that is."""

from __future__ import annotations

import numpy as np

from ecosystem.core.words import called, capital, counted, joined, number, percent, shortened
from ecosystem.running.baseline import START
from ecosystem.study.outcomes.effects import Effects
from ecosystem.study.outcomes.effects import headline as of_effects
from ecosystem.study.outcomes.failing import lie
from ecosystem.study.outcomes.judging import Verdict
from ecosystem.study.outcomes.long_run import headed as in_long_run
from ecosystem.study.outcomes.reading import columns
from ecosystem.study.outcomes.sample import strongest
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.turning import turning
from ecosystem.study.outcomes.under_way import headed
from ecosystem.study.outcomes.verdicts import phrase, settled, value
from ecosystem.study.outcomes.ways import Way, ways

LONG = 140  # letters of a headline: three lines
TOLD = 12  # members with a row of their own
HEADED = 3  # members that have a clause in the headline and a sentence of their own
NAMED = 4  # members that a sentence names
PARAMETERS = 3  # parameters that sentences follow


def headline(subject: Subject, found: Effects | None) -> str:
    """What happened, in three lines at most: of the ways to say it with what curation does the fullest that fits."""
    part, more = headed(subject.results), "" if found is None else of_effects(found)
    if subject.final is None:
        return part + more if more else silence(subject)[0]
    lost, told, brief = _lost(subject), *_main(subject)
    exact = in_long_run(subject.long_run.values(), HEADED)  # chance hides what it says: never left out for want of room
    told, brief = (" ".join(filter(None, (words, exact))) for words in (told, brief))
    whole = [(lost + told, more), (lost + brief, more), (lost + told, ""), (lost + brief, "")]
    ways = whole if exact else [whole[0], (told, more), whole[1], (brief, more), whole[3], (brief, "")]
    fitting = (part + " ".join(filter(None, way)) for way in ways)
    return next((words for words in fitting if len(words) <= LONG), part + ways[-1][0])


def _main(subject: Subject) -> tuple[str, str]:
    """What became of the members, in full and in short."""
    found = subject.verdicts
    if len(found) > 1 and all(verdict.kind == "unclear" for verdict in found):
        return f"No member shows a clear change against {_its(subject)}.", "No member shows a clear change."
    of_all = _sentence(f"of {counted(len(found), 'member')}, {_kinds(subject)}") + _one_run(subject)
    if len(found) <= HEADED:
        told = "; ".join(f"{called(v.name)} {_headed(subject, v)}" for v in found)
        return _sentence(told) + _one_run(subject), _most(subject) if found[0].kind == "varies" else _brief(subject)
    return of_all, _brief(subject)


def _brief(subject: Subject) -> str:
    """How many members gain, lose or do both, in a few words."""
    verbs = {"gains": "gain{s}", "loses": "lose{s}", "both": "gain{s} or lose{s}"}
    clauses, rest = [], len(subject.verdicts)
    for kind, verb in verbs.items():
        some = [called(verdict.name) for verdict in subject.verdicts if verdict.kind == kind]
        count = len(some)
        rest -= count
        if count:
            who = counted(count) if clauses else counted(count, "member")
            who = joined(some) if len(subject.verdicts) <= HEADED and len("".join(some)) < 24 else who
            clauses.append(f"{who} {verb.format(s='s' if count == 1 else '')}")
    far = sum(verdict.kind == "boundless" for verdict in subject.verdicts)  # they do, without end
    rest -= far
    if far:
        who = counted(far) if clauses else counted(far, "member")
        clauses.append(f"{who} {'has' if far == 1 else 'have'} no finite change")
    hidden = sum(verdict.kind == "unclear" for verdict in subject.verdicts)  # by chance: they may do either
    if hidden:
        who = counted(hidden) if clauses else counted(hidden, "member")
        clauses.append(f"{who} show{'s' if hidden == 1 else ''} no clear change")
    if rest := rest - hidden:
        clauses.append(f"{counted(rest)} {'does' if rest == 1 else 'do'} neither")
    return _sentence(joined(clauses)) + _one_run(subject)


def _its(subject: Subject, its: str = "its") -> str:
    """What members are compared with, as theirs."""
    found = subject.alignment
    if found is None or found.begun.all():
        return f"{its} start"
    return f"{its} real data alone" + (f" or {its} start" if START in found.of else "")


def _most(subject: Subject) -> str:
    """The member that differs most over the points."""
    assert subject.final is not None
    first = subject.verdicts[strongest(subject.final.sample, 1)[0]]
    low, high = (number(subject.final.sample.mean[first.member, point]) for point in (first.worst, first.best))
    return f"Alignment differs most for {called(first.name)}: from {low} to {high}."


def _kinds(subject: Subject) -> str:
    """How many members there are of each verdict."""
    verbs = {
        "gains": f"{{end}} above {_its(subject, '{its}')}",
        "loses": f"{{end}} below {_its(subject, '{its}')}",
        "both": "gain{s} at some points and lose{s} at others",
        "unclear": "show{s} no clear change",
        "still": "do{es} not differ",
        "varies": "differ{s} from point to point",
        "single": "{has} an alignment",
        "boundless": "{has} no finite change",
        "endless": "{has} no finite alignment",
    }
    plural = {"s": "", "es": "", "end": "end", "its": "their", "has": "have"}
    singular = {"s": "s", "es": "es", "end": "ends", "its": "its", "has": "has"}
    clauses = []
    for kind, verb in verbs.items():
        count = sum(verdict.kind == kind for verdict in subject.verdicts)
        if count:
            where = " wherever it is clear" if kind in ("gains", "loses") and subject.sweep.points > 1 else ""
            clauses.append(f"{counted(count)} {verb.format(**singular if count == 1 else plural)}{where}")
    return joined(clauses)


def chosen(subject: Subject) -> list[Verdict]:
    """The members that are told of one by one: all of them, or those that move most where they are many."""
    found = subject.verdicts
    if subject.final is None or len(found) <= TOLD:
        return found
    return [found[i] for i in strongest(subject.final.sample, TOLD)]


def silence(subject: Subject) -> tuple[str, str]:
    """Why there is nothing to say about alignment, as a headline and in a sentence; empty texts if there is."""
    progress = subject.results.progress()
    if subject.final is not None:
        return "", ""
    if not progress.finished:
        return (
            "Nothing has been computed yet.",
            "No block of this study is finished yet, so there are no tables to read.",
        )
    stopped = int(subject.stopped.sum())
    if stopped and stopped >= progress.done:
        every = {1: "The one point", 2: "Both points"}.get(stopped, f"All {counted(stopped, 'point')}") + " failed."
        return every, "No point came to its end, so there is no alignment to speak of; see what failed."
    kept = [name for name in subject.results.tables if name not in ("failures", "blocks")]
    if any("alignment" in columns(subject.results, name) for name in kept):
        words = "No member has users with a recorded taste"
        return f"{words}.", f"{words}, so there is no alignment to speak of."
    return "No alignment was kept.", (
        f"None of the tables that were kept ({', '.join(kept)}) has the members’ alignment. To see it, keep “rounds” "
        'or “stable_point”: Study(..., measure=["rounds"]).'
    )


def _lost(subject: Subject) -> str:
    """That numbers are about a part of the points only."""
    assert subject.final is not None
    seen, points = int(np.isfinite(subject.final.sample.mean).any(0).sum()), subject.sweep.points
    blank = int((subject.failed & ~np.isfinite(subject.final.sample.mean).any(0)).sum())
    if not blank or seen == points:
        return ""
    failed = len(subject.results.failed)
    some = "" if blank == failed else f", {blank:,} of them without alignment"
    return f"{failed:,} of {points:,} points failed{some}. At the others: "


def _one_run(subject: Subject) -> str:
    """That one run is no evidence, where there is no more."""
    compared = [verdict for verdict in subject.verdicts if verdict.compared]
    if not compared or any(verdict.told != "run" for verdict in compared):
        return ""
    return " One run of each point cannot tell a change from chance."


def _headed(subject: Subject, verdict: Verdict) -> str:
    """One member in the headline."""
    assert subject.final is not None
    if verdict.kind == "unclear":
        return "shows no clear change"
    if verdict.kind == "single":
        return f"is at {value(subject.final.sample, verdict.member, verdict.best)}"
    if verdict.kind == "varies":
        worst, best = (value(subject.final.sample, verdict.member, point) for point in (verdict.worst, verdict.best))
        return f"lies between {worst} and {best}"
    return phrase(verdict)


def sentences(subject: Subject) -> list[str]:
    """How alignment at the end moves over the parameters, and where members lose."""
    if subject.final is None or subject.alignment is None or subject.sweep.points == 1:
        return []
    found = subject.verdicts
    if subject.lopsided and not subject.results.finished:  # cautions say so
        return _settled(subject)
    size = subject.alignment.size
    followed = subject.ranked[:PARAMETERS]
    moved = {p.name: ways(subject.final, subject.sweep.levels(p), size) for p in followed}
    for p in followed:
        for i, where in turning(subject.final, subject.sweep, p, size).items():
            shape = where if len(found) <= HEADED else "goes both ways with {name}, as others have it,"
            moved[p.name][i] = Way(shape, "", moved[p.name][i].far, turns=True)
    if len(found) <= HEADED:
        told = [
            _member(subject, verdict, {name: way[verdict.member] for name, way in moved.items()}) for verdict in found
        ]
    else:
        told = [_parameter(subject, name, way) for name, way in moved.items()]
        split = [verdict for verdict in chosen(subject) if verdict.kind == "both"]
        told += [capital(f"{called(v.name)} {phrase(v)}{_losing(subject, v)}.") for v in split[:HEADED]]
        told += _settled(subject)
    return [*_explained(subject), *told]


def _settled(subject: Subject) -> list[str]:
    """The exact long run of those whose runs say nothing clear, or something else."""
    differ = [v for v in chosen(subject) if (one := subject.long_run.get(v.name)) and one.kind != v.kind]
    told = [f"{called(v.name)} {subject.long_run[v.name].words}" for v in differ[:TOLD]]
    if not told:
        return []
    return [
        "Runs are short of seeds or of rounds where they say less, or other things, than the exact long run, in which "
        f"nothing is drawn: there, against real data alone, {'; '.join(told)}."
    ]


def _explained(subject: Subject) -> list[str]:
    """Which parameters matter most."""
    if len(subject.sweep.swept) < 2 or not subject.shares:
        return []
    if subject.sweep.scattered:
        return [f"Alignment differs most along {', then '.join(shortened(name) for name in list(subject.shares)[:6])}."]
    parts = [f"{shortened(name)} {percent(round(share, 2))}" for name, share in list(subject.shares.items())[:6]]
    words = f"Of the differences between points, this much comes from one parameter alone: {joined(parts)}"
    rest = 1 - sum(subject.shares.values())
    if rest > 0.02:
        chance = "" if subject.certain else ", and from chance"
        words += f"; the other {percent(round(rest, 2))} from combinations of them{chance}"
    return [words + "."]


def _average(subject: Subject) -> str:
    return ", on average over all else," if len(subject.sweep.swept) > 1 else ""


def _member(subject: Subject, verdict: Verdict, moved: dict[str, Way]) -> str:
    """One member: along each parameter, and against what it would be alone."""
    assert subject.final is not None
    steady, turned = [], []
    for name, way in moved.items():
        numbers = f" ({way.numbers})" if way.numbers else ""
        (turned if way.turns else steady).append(way.shape.format(name=shortened(name)) + numbers)
    average = _average(subject) if steady else ""
    words = f"{called(verdict.name)}: the {subject.final.label}{average} {'; it '.join(steady or turned)}."
    if steady and turned:
        words += f" It {'; it '.join(turned)}."
    if verdict.endless and verdict.points:
        place = lie(subject, np.flatnonzero(np.isinf(subject.final.sample.mean[verdict.member])))
        words += f" It is infinite at {place or counted(verdict.endless, 'point')}."
    if verdict.kind not in ("varies", "single", "endless"):
        against = "the start" if verdict.begun else "real data alone"
        words += f" Against {against} it {phrase(verdict)}{_losing(subject, verdict)}."
        if verdict.beyond and verdict.compared:
            words += f" Its change is infinite at {counted(verdict.beyond, 'more point')}."
    if verdict.name in subject.long_run:
        words += f" {settled(subject.long_run[verdict.name])}"
    return capital(words)


def _losing(subject: Subject, verdict: Verdict) -> str:
    """Where a member loses, if it gains elsewhere."""
    assert subject.final is not None
    if verdict.kind != "both":
        return ""
    seen = np.flatnonzero(np.isfinite(subject.final.sample.mean[verdict.member]))
    where = lie(subject, verdict.down, seen)
    if where is None:
        return " (which ones: see the figures)"
    return f", which lie at {where}" if where else ""


def _parameter(subject: Subject, name: str, moved: list[Way]) -> str:
    """One parameter: which members rise along it, which fall, and who most."""
    assert subject.final is not None
    names, groups = subject.final.names, dict[str, list[int]]()
    for i, way in enumerate(moved):
        groups.setdefault(way.shape, []).append(i)
    clauses = []
    for shape, members in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        most = max(members, key=lambda i: moved[i].far)
        listed = len(members) <= NAMED
        who = joined([called(names[i]) for i in members]) if listed else counted(len(members), "member")
        clause = f"{shape.format(name=shortened(name))} for {who}"
        if moved[most].numbers and "clear" not in shape and moved[most].far:
            clause += f" ({'' if len(members) == 1 else f'most for {called(names[most])}: '}{moved[most].numbers})"
        clauses.append(clause)
    return f"The {subject.final.label}{_average(subject)} {'; it '.join(clauses)}."


def _sentence(words: str) -> str:
    """With a capital where it begins with a word of ours, and a full stop."""
    own = ("of ", *(f"{counted(n)} " for n in range(13)))
    return (words[0].upper() + words[1:] if words.startswith(own) else capital(words)) + "."
