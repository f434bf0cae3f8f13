"""Whose output survives where several wrote: of each flow out of an archive, the shares of those who wrote there."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.running.measures.view import View


def survivors(view: View) -> pd.DataFrame:
    """Whose what each reader gets of an archive is: columns source, target, curated, producer, share.

    ``source`` is the archive, ``producer`` who wrote there (``"real"``: its real data), ``share`` what of that flow is
    theirs as everything stands after the round: the weight of a raw flow, of a curated one ``w_j E_j[H]``, which for
    ``K → ∞`` is ``w_j E_j[e^r] / Σ``. It is exact: with samples, of those that the archive
    keeps.

    >>> from ecosystem import Archive, Flow, Linear, Location, Luce, Member, Record, Scenario
    >>> s = Scenario("commons", rounds=1)
    >>> s.add("web", Member(Archive({"a": Location([0.0]), "b": Location([1.0])})))
    >>> s.add("a", Member(Location([0.0])))
    >>> s.add("b", Member(Location([1.0]), reward=Linear([1.0]), curator=Luce(2)))
    >>> for flow in (("a", "web"), ("b", "web")):
    ...     s.connect(*flow, Flow(raw=0.5))
    >>> s.connect("web", "a", Flow(raw=1.0))
    >>> s.connect("web", "b", Flow(curated=1.0, chosen_by="consumer"))
    >>> s.run(record=Record(measures=[survivors])).survivors.query("round == 0 and curated")["share"].round(4).tolist()
    [0.4125, 0.5875]

    Raises
    ------
    NoPopulationLaw
        Of users whose choice among what several wrote is not known, or who look at it through a transform.
    """
    rows = []
    for variant, replicate in np.ndindex(*view.alive.shape):
        for source, target, archive, users, after in view.shelves(variant, replicate):
            if after:
                raise NoPopulationLaw(f"what survives of {source!r} where {target!r} chooses after a transform")
            shares = archive.survivors(users).tolist()
            here = {"source": source, "target": target, "curated": users is not None}
            place = {"variant": variant, "replicate": replicate}
            rows += [
                {**here, "producer": name, "share": share, **place}
                for name, share in zip(archive.names, shares, strict=True)
                if not math.isnan(share)
            ]
    return pd.DataFrame(rows, columns=["source", "target", "curated", "producer", "share", "variant", "replicate"])
