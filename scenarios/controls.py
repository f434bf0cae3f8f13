"""Does the sign of cross-influence survive what a two-model loop leaves out?

Two models of posts train on real posts, on their own and on each other's (``coupling``), of which users choose a part
by Luce among four (``theta``'s a part ``curation``, ``phi``'s ``other``). A post has a tone and a topic, of three
values each, and may be toxic; toxic posts are four times as frequent in the tone that ``theta``'s users like, and
nobody's users ask for them. ``phi``'s users like that tone too as far as ``agreement`` says (from −1 to 1), and for the
rest a topic.

``control`` is what is changed:

    none          nothing
    alternating   users take turns: theta's choose in odd rounds (twice the part), phi's in even ones
    filtered      users no longer choose: what they like less than nothing at all is dropped before training
    drifting      tastes move towards what users see (a tenth of the way each round)

`analysis/controls.py` compares them: what nobody's, one's and everybody's curation is worth to whom, and what travels
along (the toxic part).

    ecosystem run scenarios/controls.py --set control=alternating
    ecosystem influence scenarios/controls.py --set agreement=-0.5

Takes seconds; needs nothing more.
"""

import math
from itertools import product
from typing import Any

import torch

from ecosystem import Categorical, Curate, Drift, Flow, Luce, Member, Scenario, Tabular, Threshold
from ecosystem.running.measures import exact

CONTROLS = ("none", "alternating", "filtered", "drifting")
POSTS = list(product((-1, 0, 1), (-1, 0, 1), (False, True)))  # tone, topic, toxic
REAL = 0.3
STILL = 0.01  # the part that is curated by those whose turn it is not


def scenario(
    control: str = "none",
    coupling: float = 0.3,
    curation: float = 0.3,
    other: float = 0.3,
    agreement: float = 0.5,
    temperature: float = 0.2,
    rounds: int = 60,
    samples: int | None = None,
) -> Scenario:
    """Of what is not curated ``coupling`` is the other's, ``REAL`` real and the rest a model's own."""
    if control not in CONTROLS:
        raise ValueError(f"scenario(control) is one of {', '.join(CONTROLS)}, got {control!r}")
    if not 0 <= coupling <= 1 - REAL:
        raise ValueError(f"scenario(coupling) lies between 0 and {1 - REAL}, got {coupling!r}")
    levels = {"theta": curation, "phi": other}
    turns = {}
    if control == "alternating":
        for turn in range(1, rounds + 1):
            now, then = ("theta", "phi") if turn % 2 else ("phi", "theta")
            turns[turn] = [Curate(now, max(2 * levels[now], STILL)), Curate(then, STILL)]
        levels = dict.fromkeys(levels, STILL)
    s = Scenario("controls", rounds=rounds, samples=samples)
    users = Threshold(0.0) if control == "filtered" else Luce(4, temperature)
    learn = Drift(0.1) if control == "drifting" else None
    posts = Categorical(real_posts())
    for name, taste in tastes(agreement).items():
        s.add(name, Member(posts, reward=taste, curator=users, real=posts, learn=learn))
    for v, u in (("theta", "phi"), ("phi", "theta")):
        for source, share in ((u, coupling), (v, 1 - REAL - coupling)):
            if share > 1e-12:  # what is curated takes its place from all that is not, as everywhere
                curated = levels[v] * share / (1 - REAL)
                s.connect(source, v, Flow(raw=(1 - levels[v]) * share, curated=curated, chosen_by="consumer"))
    return s.replace(interventions=turns) if turns else s


def real_posts() -> list[float]:
    """Tones and topics are equally frequent; a tenth of posts is toxic, four tenths of those in theta's tone."""
    return [
        (toxicity if toxic else 1 - toxicity) / 9
        for tone, _, toxic in POSTS
        for toxicity in (0.4 if tone > 0 else 0.1,)
    ]


def tastes(agreement: float) -> dict[str, Tabular]:
    """theta's users like a tone; phi's the same as far as they agree, and for the rest a topic. Of length 1."""
    rest = math.sqrt(1 - agreement**2)
    rows = {
        "theta": [float(tone) for tone, _, _ in POSTS],
        "phi": [agreement * tone + rest * topic for tone, topic, _ in POSTS],
    }
    return {
        name: Tabular(torch.nn.functional.normalize(torch.tensor(row).double(), dim=0)) for name, row in rows.items()
    }


@exact()
def toxic(stack: Any, real: Any) -> torch.Tensor:
    """The part of posts that are toxic: a measure."""
    return stack.probabilities[..., torch.tensor([toxic for _, _, toxic in POSTS])].sum(-1)
