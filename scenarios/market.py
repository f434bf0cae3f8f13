"""Does competition between models serve a minority, and what does curation do to that?

Two groups of users write what their models are refitted on: ``few``, a ``minority``, at −1 and ``many`` at 1. Each goes
to the model that serves it (squared loss): at ``temperature`` 0 to the best, above that by a softmax, with ``loyal``
users by the replicator. After arXiv 2206.02667: users choose, models refit on their users, and the total risk never
rises on the way. ``curation`` is a part of each diet that is the model's own output, chosen by what the average user
likes; with ``by_demand`` the capacity to curate goes where the users are. ``served(run)`` says what each group gets:
minus its expected loss.

What comes out. One model stands at the average user: a minority of .2 loses 2.56, the majority .16. Two start at −.1
and .2 and end at −1 and 1, each with one group: with groups of .5 the risk falls from .725 to 0 in one round. So
competition segments users, where they care enough: groups of .5 part by a softmax below a temperature of 2 only (at 1
the models stand at ±.958, at 3 both at 0). At temperature 1 the model of a minority of .3 still stands at −.869; that
of one of .2 is drawn to .223 by what the majority writes for it too (the minority loses 1.71, the majority .22), and
one of .1 has no model: both stand at .8. Curation for the average user costs the minority most, though users are
segmented: at a level of .6 and a spread of .5 it loses .534 and the majority .268, where it was .25 for both without
curation. By demand it is .321 and .282: whoever has few users curates little, and so the minority's model stays nearer
to it. Here curation by demand helps the minority, at the majority's cost, and the gap is a seventh of what it was.

    ecosystem run scenarios/market.py
    ecosystem run scenarios/market.py --set minority=0.2 --set temperature=1 --rounds 200
    ecosystem run scenarios/market.py --set minority=0.2 --set curation=0.6 --set spread=0.5 --set by_demand=true

Takes seconds; needs nothing more.
"""

import pandas as pd

from ecosystem import (
    BestResponse,
    Capacity,
    Demand,
    Flow,
    Location,
    Member,
    Quadratic,
    Replicator,
    Run,
    Scenario,
    Softmax,
    Tilt,
    Writing,
    never,
)

STARTS = (-0.1, 0.2, 0.5, 0.8)


def scenario(
    minority: float = 0.5,
    learners: int = 2,
    temperature: float = 0.0,
    loyal: bool = False,
    curation: float = 0.0,
    by_demand: bool = False,
    spread: float = 1e-9,
    rounds: int = 30,
    samples: int | None = None,
) -> Scenario:
    """Up to four models, ``model 1`` and so on, and two groups; all output and writing is spread by ``spread``."""
    models = [f"model {i + 1}" for i in range(learners)]
    choice = BestResponse() if not temperature else Replicator(temperature) if loyal else Softmax(temperature)
    s = Scenario("market", rounds=rounds, samples=samples)
    groups = {"few": (-1.0, minority), "many": (1.0, 1 - minority)}
    for group, (place, size) in groups.items():
        demand = Demand(models, choice, sets=(Writing(), Capacity()) if by_demand else Writing(), size=size)
        people = Location([place], scale=spread)
        s.add(group, Member(people, reward=Quadratic([2 * place], 2.0), schedule=never, demand=demand))
    average = Quadratic([2 * (1 - 2 * minority)], 2.0).named("the average user")
    for model, start in zip(models, STARTS, strict=False):
        s.add(model, Member(Location([start], scale=spread), reward=average, curator=Tilt()))
        for group, (_, size) in groups.items():
            s.connect(group, model, Flow(raw=(1 - curation) * size))
        if curation:
            s.connect(model, model, Flow(curated=curation))
    return s


def served(run: Run) -> pd.DataFrame:
    """What each group gets, round by round: ``−Σ_j w_j E(x_j − z)²``, columns few and many.

    Of a run of one replicate with ``record=Record(tastes=True)``, whose rewards are ``1 − E(x − z)²``.
    """
    rows = run.demand.merge(run.tastes, left_on=["round", "group", "member"], right_on=["round", "judge", "member"])
    return (rows["weight"] * (rows["reward"] - 1)).groupby([rows["round"], rows["group"]]).sum().unstack()


def rest(place: float, level: float, minority: float, spread: float) -> float:
    """The closed form: where a model comes to rest all of whose users stand at ``place``, at a curation level."""
    kept = 1 / (1 + 2 * spread**2)  # of its own mean when the average user chooses
    return ((1 - level) * place + level * (1 - kept) * (1 - 2 * minority)) / (1 - level * kept)
