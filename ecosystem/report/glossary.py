"""The words of all pages, said once: each page lists those that it uses."""

from __future__ import annotations

from collections.abc import Sequence

_LEVEL = "A member’s curation level is the curated share of its training set."
TERMS = {
    "Point": "One choice of the parameters that the study varies.",
    "Member": "A generative model in the network, with users who have a taste of their own.",
    "Round": "Members gather a training set from real data and from each other’s output, and retrain on it.",
    "Curation": f"Users choose part of the output that models train on. {_LEVEL}",
    "Raw, curated": f"Output as it was generated, or only the part that users chose. {_LEVEL}",
    "Alignment": "How much a member’s users like what it generates: the mean reward of its own output.",
    "Alone": "What a member would be if nobody read anybody: trained on its own real data, chosen by nobody. Without "
    "real data it would stay as it began.",
    "Influence": "How much a member’s alignment at the stable point moves when another’s, or its own, training set "
    "becomes more curated: a derivative, with everybody’s retraining on everybody taken into account.",
    "Backfire, harm": "Curation of a member backfires if it lowers the member’s own alignment though its own users "
    "choose; where others choose what it reads, more of their choice lowers it. It harms those whose alignment it "
    "lowers.",
    "Isolated": "The effect on itself with all other members frozen. What the network makes of it is called amplified, "
    "dampened, inverted (of the other sign) or unchanged, and undefined where curation alone does nothing.",
    "Stable point": "Where nobody’s retraining changes anything any more. Numbers about a stable point that no rounds "
    "lead to are called formal.",
    "Hop, traffic": "Influence is a sum over all walks through the network, from one hop to the next; traffic is how "
    "much of it passes through one flow.",
    "Replicate": "An independent repetition with other random numbers. Differences between replicates show how much is "
    "chance.",
    "Seed": "An independent repetition with other random numbers. Differences between seeds show how much is chance.",
}
BASICS = ("Member", "Raw, curated", "Alignment")
EFFECTS = ("Influence", "Backfire, harm")
INFLUENCE = (*EFFECTS, "Isolated", "Stable point", "Hop, traffic")
RUN = ("Member", "Round", "Raw, curated", "Alignment", "Alone", "Replicate")
STUDY = ("Point", "Member", "Round", "Curation", "Alignment", "Seed")


def glossary(*names: str) -> Sequence[tuple[str, str]]:
    """Terms with what they mean, in the order of their names.

    >>> glossary("Point")
    [('Point', 'One choice of the parameters that the study varies.')]
    """
    return [(name, TERMS[name]) for name in names]
