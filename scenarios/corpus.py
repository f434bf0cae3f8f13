"""How soon does a rare variant die out of a corpus that a model keeps rewriting?

A corpus of ``tokens`` tokens, ``held`` of which are of the rare variant; in every round a part ``regenerated`` of it is
written anew by a model of the corpus as it is. Nobody prefers anything: the variant drifts until it is gone or alone.
After arXiv 2604.08554. It takes the corpus with probability ``held/tokens``, whatever the part that is regenerated,
which sets the speed only: of 400 corpora of 8 tokens with 2 of the variant 25 % are taken after 60 rounds at
``regenerated=0.25`` (3 % are undecided), 27 % at 0.5 and 25 % at 1. In one round a share ``μ`` moves by
``α(2−α)μ(1−μ)/M`` squared where each token is rewritten with probability ``α`` (``refresh``), and by ``αμ(1−μ)/M``
where ``αM`` tokens are drawn beside a rest whose shares stay exact (``exact=True``, ``fade``). Alignment is the share
of the variant. The corpus is what the first round draws.

    ecosystem run scenarios/corpus.py --replicates 100
    ecosystem run scenarios/corpus.py --set exact=true --replicates 1000 --set rounds=300

Takes ten seconds; needs nothing more.
"""

from ecosystem import Categorical, Flow, Member, Scenario, Tabular, fade, refresh


def scenario(
    tokens: int = 8, held: int = 2, regenerated: float = 0.5, exact: bool = False, rounds: int = 60
) -> Scenario:
    """A model of a corpus that it rewrites in part; users like the rare variant and never choose."""
    drawn = regenerated * tokens if exact else tokens
    if drawn != round(drawn) or drawn < 1:
        raise ValueError(f"regenerated of the tokens must be a whole number of them, at least 1, got {drawn:g}")
    retention = fade(regenerated) if exact else refresh(regenerated)
    s = Scenario("corpus", rounds=rounds, samples=round(drawn))
    variants = Categorical([held / tokens, 1 - held / tokens])
    s.add("model", Member(variants, reward=Tabular([1.0, 0.0]), retention=retention))
    s.connect("model", "model", Flow(raw=1.0))
    return s
