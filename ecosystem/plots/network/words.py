"""What a drawing says in words: shares, numbers, and what stands in the titles of members and flows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ecosystem.core.words import listed, percent

PARTS = 8  # of a diet that are listed one by one


def number(value: float, sign: bool = False) -> str:
    """A number in three digits, with a true minus; "–" if there is none.

    >>> number(-0.12345, sign=True), number(1234567.0), number(0.0, sign=True)
    ('−0.123', '1.23e+06', '0')
    """
    if not math.isfinite(value):
        return "–"
    words = f"{value:{'+' if sign and value else ''}.3g}"
    return words.replace("-", "−")


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "member"), counted(2000, "flow")
    ('1 member', '2,000 flows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shortened(text: str, most: int) -> str:
    """A name on one line, shortened in its middle if need be: its end often tells names apart.

    >>> shortened("reviewer-number-17", 12)
    'reviewe…r-17'
    """
    words = " ".join(text.split())
    if len(words) <= most:
        return words
    tail = max((most - 1) // 3 + 1, 1)
    return words[: most - 1 - tail] + "…" + words[len(words) - tail :]


def diet(flows: Sequence[dict[str, Any]], real: float) -> str:
    """What a member trains on, the largest parts first."""
    parts = [(flow[kind], f"{kind} from {flow['source']}") for flow in flows for kind in ("raw", "curated")]
    parts = sorted([(share, words) for share, words in parts if share > 0], key=lambda part: -part[0])
    said = [f"{percent(share)} {words}" for share, words in parts]
    if real > 0:
        said.append(f"{percent(real)} real data")
    if len(said) > PARTS and real > 0:  # the real share is said whatever is left out
        said = [said[-1], *said[:-1]]
    return f"trains on {listed(said, PARTS)}" if said else "trains on nothing of its own or of others"


def member_title(row: dict[str, Any], flows: Sequence[dict[str, Any]], note: str) -> str:
    """All that is known of a member, in a few lines."""
    first = f"{row['member']}: {row['generator']}" if row.get("generator") else str(row["member"])
    lines = [first, diet([flow for flow in flows if flow["there"]], row["real"])]
    if row["curation"] > 0:
        lines.append(f"curation level λ = {row['curation']:.3g}")
    if str(row.get("reward") or "none") != "none":
        lines.append(f"its users’ taste: {row['reward']}")
    if str(row.get("curator") or "none") != "none":
        lines.append(f"they choose by {row['curator']}")
    for column, usual in (("schedule", "every(1)"), ("retention", "replace()")):
        if str(row.get(column) or usual) != usual:
            lines.append(f"{column}: {row[column]}")
    if row.get("later"):
        lines.append(str(row["later"]))
    return "\n".join([*lines, note] if note else lines)


def flow_title(row: dict[str, Any], share: str) -> str:
    """All that is known of a flow, ``share`` first: what is drawn of it."""
    lines = [f"{row['source']} → {row['target']}: {share}"]
    if row["curated"] > 0:
        who = {"producer": f"{row['source']}’s users", "consumer": f"{row['target']}’s users"}
        lines.append(f"chosen by {who.get(row['chosen_by'], 'users of its own')}")
    if row["transform"] not in ("identity", "None"):
        lines.append(f"through {row['transform']}")
    if row["delay"]:
        lines.append(f"{counted(int(row['delay']), 'round')} late")
    if not row["there"]:
        lines.append("not there in the first round")
    if row["later"]:
        lines.append(row["later"])
    return "; ".join(lines)
