"""What an influence analysis found, as tables: what is saved, shown and reported."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ecosystem.core import locks, manifest, parquet, storage
from ecosystem.core.door import Door
from ecosystem.core.kinds import typed
from ecosystem.core.manifest import Damaged
from ecosystem.influence import judgement

TABLES = ("influence", "welfare", "hops", "edges", "stability", "members", "flows")
LATER = ("certificates", "flips")  # tables that older analyses have not
FOLDER, FACTS = "influence", "influence.json"
FULL = "the analysis could not be saved; make room, or choose another folder"


@dataclass(frozen=True)
class Findings:
    """The tables of one influence analysis; effects are derivatives, per unit of curated share.

    Attributes
    ----------
    influence
        target, source, kind (self, cross), effect, isolated, amplification, network (unchanged, amplified, dampened,
        inverted, undefined), backfires, harms, after. What the network does is a question about self-influence: cross
        rows have NaN and "" there. ``effect`` is that of the long run, ``after`` that of the scenario's own rounds from
        its own start (NaN where they were not played). A source without a derivative has no rows. First columns of and
        measure where it is not curation that was moved, or not alignment that was looked at.
    welfare
        source, private, externality, social: what its curation does to itself, to the others, to all.
    hops
        target, source, hop, effect, cumulative, left: influence by the length of the walks that carry it.
    edges
        source, target, traffic, and its gains and harms, which do not cancel; after knock-outs also a column
        ``J[member]``, the change of that member's alignment without the edge (NaN where its shares had nowhere to go).
    stability
        ordering, rate, settles, predicted, measured: rounds to tolerance, NaN if there are none.
    members, flows
        As :meth:`ecosystem.Scenario.describe` gives them; members with their ``alignment`` at the stable point.
    settings
        scenario, of (what was moved), measure (what was looked at), formal (why no dynamics leads to these numbers, or
        ""), seen (what the dynamics did), rounds (the scenario's own), distance (how far they leave the network from
        the stable point, relative to ``1 + |θ*_i|``), law (how the rest shrinks), when (both in words), unplayed (why
        ``after`` is missing, or ""), radius ``ρ(B)``,
        certificate ``ρ(‖B_ij‖)``, tolerance, residual, solved (by what, in how much memory, how well), unbounded (why
        effects of a source are infinite or undefined), skipped (why a member is no source), unjudged (why none is a
        target), promises (what the graph alone says, in sentences), unpromised (why it says nothing, or "").
    certificates, flips
        As :class:`ecosystem.influence.certificates.Certificates` has members, ``after`` as one text, with ``cure``: the
        least real data that make its part safe, NaN where it is; and the single flows that decide who collapses: what
        (arrival, removal), source, target, share (all that the target can give up), members.
    verdicts
        A row a pair with its verdict and a sentence, as :attr:`ecosystem.influence.Influence.verdicts`; it follows from
        the others, of which ``plot`` draws charts.
    """

    plot = Door("ecosystem.plots.influence", "FindingsPlots")
    _repr_html_ = Door("ecosystem.plots.shown_influence", "findings")
    verdicts = property(judgement.of_findings)

    influence: pd.DataFrame
    welfare: pd.DataFrame
    hops: pd.DataFrame
    edges: pd.DataFrame
    stability: pd.DataFrame
    members: pd.DataFrame
    flows: pd.DataFrame
    settings: dict[str, Any]
    certificates: pd.DataFrame = field(default_factory=pd.DataFrame)
    flips: pd.DataFrame = field(default_factory=pd.DataFrame)

    @typed
    def save(self, folder: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write Parquet tables and JSON to ``folder/influence`` and return it; a run may stand in the same folder.

        It is written beside and moved into place, so an ``influence.json`` always stands among whole tables. Earlier
        findings are refused unless ``overwrite``, and stay until the new ones are in place.
        """
        target = storage.named(folder) / FOLDER
        check_place(target.parent, overwrite)
        with locks.claimed(target, FULL):
            check_place(target.parent, overwrite)
            with storage.folder(target, FULL) as beside:
                self._write(beside)
        return target

    def _write(self, folder: Path) -> None:
        for name in (*TABLES, *(name for name in LATER if len(getattr(self, name).columns))):
            table = getattr(self, name).copy(deep=False)
            table.attrs = {}  # Parquet would write them as JSON, which not everything in them is
            table.to_parquet(folder / f"{name}.parquet", index=False)
        (folder / FACTS).write_text(json.dumps(self.settings, indent=2, default=_plain), encoding="utf-8")

    @classmethod
    @typed
    def load(cls, folder: str | os.PathLike[str], check: bool = True) -> Findings:
        """Read what was saved to ``folder/influence``; ``check`` and errors as of :meth:`ecosystem.Run.load`."""
        source = storage.found(storage.named(folder) / FOLDER)
        if not saved_in(folder):
            raise FileNotFoundError(
                f"{folder} holds no influence analysis: there is no {FOLDER}/{FACTS} in it; "
                "give a folder that one was saved to"
            )
        try:
            with manifest.whole(source, check):
                names = (*TABLES, *(name for name in LATER if (source / f"{name}.parquet").exists()))
                found = {name: manifest.opened(source / f"{name}.parquet", parquet.frame) for name in names}
                return cls(**found, settings=manifest.opened(source / FACTS, manifest.facts))
        except Damaged as error:
            raise error.mended("bring it back from a copy, or analyse the scenario again") from error

    def __repr__(self) -> str:
        pairs = self.influence[["target", "source"]].nunique()
        when = f"; {self.settings['when']}" if self.settings.get("when") else ""
        return (
            f"Findings({self.settings.get('scenario')!r}: {pairs['target']} targets, {pairs['source']} sources{when})"
        )


def saved_in(folder: str | os.PathLike[str]) -> bool:
    """Whether findings were saved to a folder, whole or not by now."""
    source = storage.found(storage.named(folder) / FOLDER)
    return any(os.path.lexists(source / name) for name in (FACTS, manifest.FILE))


def check_place(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that findings cannot be added to: what is overwritten, with leave, is earlier findings only."""
    why = "exists and holds no influence analysis, so it is not overwritten; choose another"
    storage.refuse_taken(storage.named(folder) / FOLDER, FACTS, why, overwrite)


def _plain(value: Any) -> Any:
    """NumPy's and torch's numbers as Python's own; anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)
