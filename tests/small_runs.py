"""A small run in which all is recorded, for the tests of charts."""

from __future__ import annotations

from functools import cache

from ecosystem import Flow, Gaussian, Linear, Luce, Member, Quadratic, Record, Run, Scenario


@cache
def recorded() -> Run:
    """Three members in the plane that read each other, two tastes, four replicates, everything recorded."""
    s = Scenario("recorded", rounds=6, samples=40)
    for name, at, taste in (
        ("ada", [0.0, 0.0], Linear([1.0, 0.0])),
        ("bob", [1.0, 0.0], Linear([0.0, 1.0])),
        ("cy", [0.0, 1.0], Quadratic([1.0, 1.0], 0.5)),
    ):
        model = Gaussian(at, [[0.2, 0.0], [0.0, 0.2]])
        s.add(name, Member(model, reward=taste, curator=Luce(3), real=model))
    s.connect("ada", "bob", Flow(raw=0.2, curated=0.4))
    s.connect("bob", "cy", Flow(raw=0.3, curated=0.3))
    s.connect("cy", "ada", Flow(curated=0.5))
    s.connect("ada", "ada", Flow(raw=0.2))
    return s.run(replicates=4, record=Record(draws=True, tastes=True, sources=True, choices=True, samples=8))
