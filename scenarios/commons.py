"""A web that everybody writes to and reads from: do filters against synthetic data bring back what it was?

Three models train on an archive, the web, and write it; ``human`` of it comes from people. Half of what a model reads
was chosen by its users among ``k`` candidates of all writers (0: infinitely many): those of ``a`` and ``b`` like common
things, those of ``c`` the rarest. A detector filters what the web takes in: it throws out synthetic data with the
probability ``true_positive``, human data with ``false_positive``; if ``undetected``, it does not know the watermark of
``c``. The update is a mixture: weights of the web are the shares of what is kept, and of a choice ``w_j E_j[H_K]``
survives.

Look at the web's ``effective_number`` of things (people's own is 5.31), its ``data_distance`` from people, and at
``survivors`` (of ``ecosystem.running.measures``): whose what each model gets is. After 60 rounds, with a tenth from
people:

=================  =============  ================  ===============  ===============  ========================
filter             human on web   effective number  from people      ``c`` on web     alignment of a, b, c
=================  =============  ================  ===============  ===============  ========================
none               .10            4.35              .302             .30              1.30, 1.19, 1.00
t = .9             .51            5.20              .063             .16              1.14, 1.05, 0.49
t = .9, c unknown  .21            3.96              .502             .66              0.61, 0.56, 2.22
=================  =============  ================  ===============  ===============  ========================

A filter brings diversity and people's distribution back, and with them takes what curation had won for every model's
users: alignment goes back to nearly what human data have. A single flow that it does not know gets the room of all that
it throws out: ``c`` has more than twice its share, the web is less diverse and further from people than with no filter
at all, and the users of ``a`` and ``b`` have half of what they had.

    ecosystem run scenarios/commons.py
    ecosystem run scenarios/commons.py --set true_positive=0.9
    ecosystem run scenarios/commons.py --set true_positive=0.9 --set undetected=True

Takes seconds; needs nothing more.
"""

from ecosystem import Archive, Categorical, Flow, Luce, Member, Provenance, Scenario, Tabular, Tilt

HUMAN = (0.3, 0.2, 0.2, 0.15, 0.1, 0.05)
TASTES = {"a": (2.0, 1.0, 0.0, 0.0, 0.0, 0.0), "b": (1.0, 2.0, 0.5, 0.0, 0.0, 0.0), "c": (0.0, 0.0, 0.0, 0.0, 1.0, 3.0)}


def scenario(
    human: float = 0.1,
    true_positive: float = 0.0,
    false_positive: float = 0.05,
    undetected: bool = False,
    curated: float = 0.5,
    k: int = 4,
    rounds: int = 60,
    samples: int | None = None,
) -> Scenario:
    """Three models train on the web alone, of which ``curated`` is chosen by their users; ``human`` of it is human."""
    people = Categorical(HUMAN)
    s = Scenario("commons", rounds=rounds, samples=samples)
    for name, taste in TASTES.items():
        s.add(name, Member(people, reward=Tabular(taste), curator=Luce(k) if k else Tilt()))
    s.add("web", Member(Archive({**dict.fromkeys(TASTES, people), "real": people}), real=people))
    for name in TASTES:
        s.connect(name, "web", Flow(raw=(1 - human) / len(TASTES)))
        s.connect("web", name, Flow(raw=1 - curated, curated=curated, chosen_by="consumer"))
    if true_positive == 0:
        return s
    known = [name for name in TASTES if not (undetected and name == "c")]
    return Provenance(dict.fromkeys(known, true_positive), false_positive).on(s, "web")
