"""What members that write have written: the same prompts at a few rounds, beside what they said at first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ecosystem.core.words import counted, shortened
from ecosystem.plots.spreads import evenly, in_order
from ecosystem.report.blocks import Cell, Row, Section, Slides, Table, Words
from ecosystem.running.run import Run
from ecosystem.running.verdicts import KEYS, replicates

MEMBERS, PROMPTS, ROUNDS = 6, 4, 6  # shown at most
PROMPT, ANSWER, WHOLE = 140, 220, 3000  # letters of a text in the table, and of one unfolded
SAME = 24, 300  # letters of a beginning that all prompts share, between which it is said once


def section(run: Run) -> list[Section]:
    """What the page shows of the table ``texts``: a table a member, and a slide a round; none if the run has none."""
    if run.texts.empty:
        return []
    first = run.texts[KEYS].iloc[0]
    table = run.texts[(run.texts[KEYS] == first).all(axis=1)].astype({"member": str, "input": str, "output": str})
    writers = [name for name in in_order(run.members, table) if name in set(table["member"])]
    shown = {name: _said(table[table["member"] == name]) for name in evenly(writers, MEMBERS)}
    rounds = evenly(sorted({at for said in shown.values() for at in said}), ROUNDS)
    chosen = {name: picked([said[at] for at in rounds if at in said]) for name, said in shown.items()}
    asked = bool((table["input"] != "").any())
    slides = [
        (when(at), [_table(i, name, said, chosen[name], at) for i, (name, said) in enumerate(shown.items())])
        for at in rounds
    ]
    caption = "What members answer to the same prompts" if asked else "Some of what members write"
    caption += " as rounds go by" + (", from the first replicate." if replicates(run) > 1 else ".")
    if any(prompt not in said[at] for n, said in shown.items() for prompt in chosen[n] for at in rounds if at in said):
        caption += " Not every prompt was asked at every round."
    if len(writers) > MEMBERS:
        caption += f" {counted(MEMBERS).capitalize()} of {counted(len(writers), 'member')} are shown."
    blocks = [Words(caption, soft=True), Slides("texts-rounds", "Round", slides, group="round")]
    return [Section("texts", "What they write", blocks)]


def when(at: int) -> str:
    """A round as slides name it: those of one name move together."""
    return "start" if at == 0 else f"round {at}"


def _said(rows: pd.DataFrame) -> dict[int, dict[str, str]]:
    """What one member said: at each round, to each prompt; without prompts texts have numbers."""
    if not (rows["input"] != "").any():
        rows = rows.assign(input=(rows.groupby("round").cumcount() + 1).map("number {}".format))
    groups = rows.astype({"round": int}).groupby("round")
    return {int(at): here.drop_duplicates("input").set_index("input")["output"].to_dict() for at, here in groups}  # type: ignore


def _table(place: int, name: str, said: dict[int, dict[str, str]], prompts: list[str], at: int) -> Any:
    """One member's answers at a round, beside its first ones."""
    id, title = f"texts-{place}-{at}", shortened(name, 80)
    if at not in said:
        return Words(f"{title}: nothing of this round was kept.", soft=True)
    first = min(said)
    columns = [when(first)] if at == first else [when(first), when(at)]
    common = beginning(prompts)
    rows = [
        Row([short(prompt, PROMPT, len(common)), *(_answer(said[r], prompt) for r in dict.fromkeys((first, at)))])
        for prompt in prompts
    ]
    head = f"{title}, whose prompts all begin with “{' '.join(common.split())}”" if common else title
    asked = not prompts[0].startswith("number ")
    return Table(id, head, ["Prompt" if asked else "Sample", *columns], rows)


def _answer(said: dict[str, str], prompt: str) -> Cell:
    """What was said to a prompt."""
    if prompt not in said:
        return Cell("", "not asked")
    return short(said[prompt], ANSWER) if said[prompt].strip() else Cell("", "nothing")


def picked(rounds: Sequence[dict[str, str]]) -> list[str]:
    """At most ``PROMPTS`` prompts: those asked in most rounds; of equals, the first of the round that has fewest."""
    left = list(dict.fromkeys(prompt for said in rounds for prompt in said))
    found: list[str] = []
    filled = [0] * len(rounds)

    def worth(prompt: str) -> tuple[int, int]:
        where = [prompt in said for said in rounds]
        return sum(where), -sum(full for full, here in zip(filled, where, strict=True) if here)

    while left and len(found) < PROMPTS:
        best = max(left, key=worth)
        left.remove(best)
        found.append(best)
        filled = [full + (best in said) for full, said in zip(filled, rounds, strict=True)]
    return found


def beginning(prompts: Sequence[str]) -> str:
    """The words with which all prompts begin, where there are several and the words are worth saying once."""
    first, last = min(prompts), max(prompts)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    words = first[: max(first.rfind(" ", 0, same), first.rfind("\n", 0, same)) + 1]
    return words if SAME[0] <= len(words) <= SAME[1] else ""


def short(text: str, most: int, skipped: int = 0) -> Cell:
    """A text in at most ``most`` letters, without its first ``skipped`` ones; and whole where that is more."""
    rest = re.sub(r"\s*\n\s*", "\n", text[skipped:].strip())
    begin = "… " if skipped else ""
    if len(rest) <= most:
        return Cell(begin + rest)
    line = " ".join(rest.split())[:most]
    words = line.rsplit(" ", 1)[0]
    line = words if len(words) > most // 2 else line
    whole = text if len(text) <= WHOLE else text[:WHOLE] + "…"
    return Cell(f"{begin}{line.rstrip(' .,;:…')}…", whole=whole)
