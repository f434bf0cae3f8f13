"""Claims of the literature with a number in them; `analysis/replays.py` plays each on the scenarios."""

import math

from analysis import replays
from analysis.claiming import Claim, Said
from scenarios import (
    ferbach,
)


def _run(scenario: str, **settings: object) -> str:
    return " ".join(["ecosystem run", f"scenarios/{scenario}.py", *(f"--set {k}={v}" for k, v in settings.items())])


CLAIMS = (
    Claim(
        "2407.09499",
        "of infinitely many candidates, without real data, p_t is p_0 e^(tr), normalised; distance after 5 rounds",
        Said(0.0),
        replays.tilted,
        _run("ferbach", k=0, rounds=5),
    ),
    Claim(
        "2407.09499",
        "of two options as likely, one worth e^r = 3 times the other, the better has this much after a round of pairs",
        Said(0.625),
        lambda: float(replays.ends(ferbach.scenario(2, rewards=[0.0, math.log(3)], data=[0.5, 0.5], rounds=1))[1]),
        _run("ferbach", k=2, rewards="[0,1.0986122887]", data="[.5,.5]", rounds=1),
    ),
    Claim(
        "2407.09499",
        "a mixture of Gaussians far apart goes the way of the symbols: weight of the favourite after 2 rounds",
        Said(0.6360876612),
        replays.mixture,
        _run("ferbach", mixture="true", rounds=2) + " --replicates 40",
    ),
    Claim(
        "2407.09499",
        "with a curated share s < 1/K no symbol exceeds p_data (1-s)/(1-Ks): the largest part of that in 200 rounds",
        Said(1.0, "at most"),
        replays.bounded,
        _run("ferbach", share=0.2, rounds=200),
    ),
    Claim(
        "2505.09768",
        "the part of users who vote against a model's interest past which curation harms, options worth 1, 2, 3, 4",
        Said(25 / 54),
        replays.crossing,
        _run("adversarial", attackers=0.463, rounds=1),
    ),
    Claim(
        "2511.09002",
        "what .3 of the users get who like one half of the options better by 2",
        Said(0.2373929),
        replays.served,
        _run("heterogeneous", rounds=600),
    ),
    Claim(
        "2610.09415",
        "what users whose taste never moves leave to the favoured of ten classes",
        Said(0.5472279923),
        replays.favoured,
        _run("drifting", drift=0, lead=1),
    ),
    Claim(
        "2610.09415",
        "at a curated part of 2/3 the even state loses its stability: its spectral radius there",
        Said(1.0),
        lambda: replays.drift_rate(2 / 3),
        _run("drifting", curated=0.6666666667, lead=0.01, rounds=1000),
    ),
    Claim(
        "2610.09415",
        "the curated part, to .001, from which a large lead locks in although the even state is stable",
        Said(0.427),
        replays.locks_in,
        _run("drifting", curated=0.427, drift=1, rounds=2000),
    ),
    Claim(
        "2610.09409",
        "on an undirected ring of four with weight 1 at most this part of the diversity of real data is left",
        Said(0.25),
        lambda: replays.diversity("ring"),
        _run("networked", graph="ring"),
    ),
    Claim(
        "2610.09409",
        "the same where all four read all",
        Said(0.1836734694),
        lambda: replays.diversity("complete"),
        _run("networked", graph="complete"),
    ),
    Claim(
        "2610.09409",
        "where only the middle one of three reads, and only the first, diversity rises by",
        Said(13 / 12),
        replays.raised,
        _run("networked", graph="one"),
    ),
    Claim(
        "2605.20151",
        "how many collapse of five of whom two read nothing but each other, and two read these",
        Said(4.0),
        replays.collapsing,
        _run("collapse") + " --replicates 40",
    ),
    Claim(
        "2002.06673",
        "a learner whose world answers by -.9 settles at",
        Said(1 / 1.9),
        lambda: replays.settled(-0.9),
        _run("performative", effect=-0.9, rounds=400),
    ),
    Claim(
        "2201.03398",
        "four such learners who share half of their effects settle at the same point",
        Said(1 / 1.9),
        lambda: replays.settled(-0.9, others=3, shared=0.5),
        _run("performative", effect=-0.9, others=3, shared=0.5, rounds=400),
    ),
    Claim(
        "2510.16657",
        "a model on its own verified output alone ends at the verifier's centre, 1, whatever the radius (here 3)",
        Said(1.0),
        lambda: replays.verified_end(3.0),
        _run("verified", radius=3, rounds=1000),
    ),
    *(
        Claim(
            "2511.12804",
            "the owner, who curates first, alone decides what survives: mass of its favourite in the end, "
            + ("2 candidates" if k else "infinitely many"),
            Said(1.0),
            lambda k=k: replays.owners_mass(k),
            _run("alignment_game", k=k),
        )
        for k in (2, 0)
    ),
    Claim(
        "2404.01413",
        "a regression on 20 of its own labels, of 5 inputs: squared error of the weights after 5 rounds, data replaced",
        Said(5 * 5 / 14),
        lambda: replays.labels(keep=False, fresh=True),
        _run("accumulate", keep="false") + " --replicates 4000",
    ),
    Claim(
        "2404.01413",
        "the same where data accumulate, fresh rows every round",
        Said(sum(5 / (i * (20 * i - 6)) for i in range(1, 6))),
        lambda: replays.labels(keep=True, fresh=True),
        _run("accumulate") + " --replicates 4000",
    ),
    Claim(
        "2404.01413",
        "the same where labels of the same rows accumulate, over 300 designs",
        Said(5 / 14 * sum(1 / i**2 for i in range(1, 6))),
        lambda: replays.labels(keep=True, fresh=False),
        _run("accumulate", fresh="false", design=3) + " --replicates 40",
    ),
    Claim(
        "2604.08554",
        "a variant with 2 of a corpus's 8 tokens takes all of it in the end with this probability",
        Said(0.25),
        replays.taken,
        _run("corpus", regenerated=1) + " --replicates 1000",
    ),
    Claim(
        "2503.08117",
        "with a frozen image model the diversity of captions, 4/7 at first, is after 20 rounds of 200 draws",
        Said(4 / 7 * (1 - 1 / 200) ** 20),
        replays.captions,
        _run("text_image", frozen="image") + " --replicates 400",
    ),
    Claim(
        "2503.08117",
        "with a frozen text model the variance of a caption's images, 1 at first, is after 8 rounds of 12 images",
        Said((1 - 1 / 12) ** 8),
        replays.images,
        _run("text_image", frozen="text", captions=1, asked=0, samples=12, rounds=8) + " --replicates 3000",
    ),
    Claim(
        "2505.09768",
        "six of 60 labels flipped by influence do at least the harm of random, surest or highest ones: the most of "
        "these less its own",
        Said(0.0, "at most"),
        lambda: max(map(replays.harm, ("random", "gap", "highest"))) - replays.harm("influence"),
        _run("poisoned", by="gap"),
    ),
    Claim(
        "2206.02667",
        "two models and two groups of users who go to whoever serves them better: the total risk ends at",
        Said(0.0),
        replays.risk,
        _run("market"),
    ),
    Claim(
        "",
        "of infinitely many candidates of an archive a writer has the part w_j E_j[e^r] / sum; distance in round 60",
        Said(0.0),
        replays.replicated,
        _run("commons", k=0),
    ),
    Claim(
        "",
        "of a diet .6 synthetic a detector that is right in .9 and wrong in .05 leaves this part synthetic",
        Said(0.06 / (0.06 + 0.38)),
        replays.kept,
        _run("commons", human=0.4, true_positive=0.9),
    ),
)
