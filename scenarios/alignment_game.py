"""Does the owner of a model, who curates first, decide what the public is left with?

Two parties curate one after the other, round after round: the ``owner`` chooses what the model publishes by its taste
``r_O``, the ``public`` what of it is posted again by ``r_P``, and the model trains on that. A paper calls this the
Alignment Game (arXiv 2511.12804) and says that the owner alone fixes which options survive. With infinitely many
candidates the two choices compose to ``p_t ∝ p_0 e^{t(r_O + r_P)}``, in either order, so what survives is what both
together like best: with the tastes below, the owner's favourite, the public's and a compromise, it is the compromise,
for 2, 3 and infinitely many candidates (``k=0``). Who is first matters at few candidates and near ties only: between
two options of which each party likes one, with ``k=2`` whoever is first wins.

    ecosystem run scenarios/alignment_game.py
    ecosystem run scenarios/alignment_game.py --set k=2 --set owner=[1,0] --set public=[0,1] --set first=public

Takes seconds; needs nothing more.
"""

from collections.abc import Sequence

from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular, Tilt, sequential


def scenario(
    k: int = 2,
    owner: Sequence[float] = (1.0, 0.0, 0.9),
    public: Sequence[float] = (0.0, 1.0, 0.9),
    first: str = "owner",
    rounds: int = 200,
    samples: int | None = None,
) -> Scenario:
    """``shelf`` holds what the party that is ``first`` has kept of the model; the model trains on what the other keeps.

    ``k`` candidates, 0 for infinitely many.
    """
    if first not in ("owner", "public"):
        raise ValueError(f"first is 'owner' or 'public', got {first!r}")
    curator = Luce(k) if k else Tilt()
    tastes = [Tabular(owner).named("the owner's"), Tabular(public).named("the public's")]
    before, after = tastes if first == "owner" else reversed(tastes)
    start = Categorical([1 / len(owner)] * len(owner))
    s = Scenario("alignment game", rounds=rounds, samples=samples, ordering=sequential("shelf", "model"))
    s.add("shelf", Member(start, reward=before, curator=curator))
    s.add("model", Member(start, reward=after, curator=curator))
    s.connect("model", "shelf", Flow(curated=1.0, chosen_by="consumer"))
    s.connect("shelf", "model", Flow(curated=1.0, chosen_by="consumer"))
    return s
