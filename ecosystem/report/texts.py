"""What members that write have written: the same prompts at a few rounds, side by side."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecosystem.core.words import counted
from ecosystem.plots.spreads import evenly
from ecosystem.report import look
from ecosystem.running.verdicts import KEYS, replicates

if TYPE_CHECKING:
    from ecosystem.running.run import Run

MEMBERS, PROMPTS, ROUNDS = 6, 4, 3  # shown at most
PROMPT, ANSWER, WHOLE = 140, 220, 5000  # letters of a text in the table, and of one unfolded
SAME = 24, 300  # letters of a beginning that all prompts share, between which it is said once

Written = dict[str, str]  # "short", and "whole" where that is more


def texts(run: "Run") -> dict[str, Any] | None:
    """What the page shows of the table `texts`, by member; None if the run has none."""
    if run.texts.empty:
        return None
    first = run.texts[KEYS].iloc[0]
    table = run.texts[(run.texts[KEYS] == first).all(axis=1)].astype({"member": str, "input": str, "output": str})
    writers = [name for name in look.names(run) if name in set(table["member"])]
    shown = [_member(name, table[table["member"] == name]) for name in evenly(writers, MEMBERS)]
    asked = any(member["asked"] for member in shown)
    caption = "What members answer to the same prompts" if asked else "Some of what members write"
    caption += " as rounds go by" + (", from the first replicate." if replicates(run) > 1 else ".")
    if any(None in row["answers"] for member in shown for row in member["rows"]):
        caption += " Not every prompt was asked at every round."
    if len(writers) > MEMBERS:
        caption += f" {counted(MEMBERS).capitalize()} of {counted(len(writers), 'member')} are shown."
    return {"caption": caption, "members": shown}


def _member(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """One member's table: a row a prompt, a column a round."""
    rounds = evenly(sorted(int(at) for at in rows["round"].unique()), ROUNDS)
    asked = bool((rows["input"] != "").any())
    if not asked:  # nothing tells one text from another but its number
        rows = rows.assign(input=(rows.groupby("round").cumcount() + 1).map("number {}".format))
    said = {
        at: here.drop_duplicates("input").set_index("input")["output"].to_dict() for at, here in rows.groupby("round")
    }
    prompts = picked([said[at] for at in rounds])
    common = beginning(prompts)
    return {
        "name": name,
        "asked": asked,
        "beginning": " ".join(common.split()),
        "columns": ["Prompt" if asked else "Sample", *("start" if at == 0 else f"round {at}" for at in rounds)],
        "rows": [
            {
                "prompt": short(prompt, PROMPT, len(common)),
                "answers": [short(said[at][prompt], ANSWER) if prompt in said[at] else None for at in rounds],
            }
            for prompt in prompts
        ],
    }


def picked(rounds: Sequence[dict[str, str]]) -> list[str]:
    """At most `PROMPTS` prompts: those asked in most rounds; of equals, the first of the round that has fewest."""
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


def short(text: str, most: int, skipped: int = 0) -> Written:
    """A text in at most `most` letters, without its first `skipped` ones; and whole where that is more."""
    rest = re.sub(r"\s*\n\s*", "\n", text[skipped:].strip())
    begin = "… " if skipped else ""
    if len(rest) <= most:
        return {"short": begin + rest, "whole": ""}
    line = " ".join(rest.split())[:most]
    words = line.rsplit(" ", 1)[0]
    line = words if len(words) > most // 2 else line
    return {"short": f"{begin}{line.rstrip(' .,;:…')}…", "whole": text if len(text) <= WHOLE else text[:WHOLE] + "…"}
