"""What the numbers of an influence matrix say: helped or harmed, and what the network made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Set

import numpy as np
import pandas as pd

from ecosystem.influence.spectra import below_one

_NOTHING = 1e-12  # of how large an effect could be: below it, there is none
_SAME = 1e-7  # relative difference below which two effects are one


def table(
    matrix: pd.DataFrame,
    isolated: pd.Series,
    alone: Set[str],
    scale: pd.DataFrame,
    of: str,
    measure: str,
    led: Callable[[Iterable[str]], Set[str]],
) -> pd.DataFrame:
    """The table ``influence`` from the matrix (targets × sources) and the isolated effects.

    ``alone`` are members on no cycle through others; ``scale`` is how large each effect could be: what is nothing
    beside it is rounding; ``led`` says for whom of some members others choose. Where it is not curation that is moved,
    or not alignment that is looked at, first columns ``of`` or ``measure`` say so.
    """
    rows, columns = np.indices(matrix.shape).reshape(2, -1)
    pairs = {"target": matrix.index.take(rows), "source": matrix.columns.take(columns)}
    long = pd.DataFrame({**pairs, "effect": matrix.to_numpy().ravel()})
    nothing = pd.Series(_NOTHING * scale.to_numpy().ravel(), index=long.index, dtype=float)
    long["kind"] = np.where(long["target"] == long["source"], "self", "cross")
    own = long["kind"] == "self"
    long["isolated"] = np.where(own, long["source"].map(isolated), np.nan)
    effect = long["effect"].mask(long["effect"].abs() <= nothing, 0.0)
    finite = effect.where(np.isfinite(effect.astype(float)))
    long["amplification"] = finite / long["isolated"].where(long["isolated"].abs() > nothing)
    untouched = own & long["source"].isin(list(alone))
    long.loc[untouched & long["amplification"].notna(), "amplification"] = 1.0  # exactly: nothing comes back to it
    long["network"] = ""
    long.loc[own, "network"] = [_verdict(ratio) for ratio in long.loc[own, "amplification"]]
    negative = effect < 0
    long["backfires"] = own & negative
    if of == "curation":
        long["backfires"] &= ~long["target"].isin(list(led(long.loc[long["backfires"], "target"])))
    long["harms"] = negative
    said = {"of": of} if of != "curation" else {}
    said |= {"measure": measure} if measure != "alignment" else {}
    return long.assign(**said)[[*said, *_FIRST, "isolated", "amplification", "network", "backfires", "harms"]]


_FIRST = ["target", "source", "kind", "effect"]


def _verdict(amplification: float) -> str:
    if np.isnan(amplification):
        return "undefined"
    if abs(amplification - 1) <= _SAME:
        return "unchanged"
    if amplification > 1:
        return "amplified"
    return "dampened" if amplification >= 0 else "inverted"


def welfare(matrix: pd.DataFrame) -> pd.DataFrame:
    """Private value, externality and social value of each source's curation."""
    social = matrix.sum(skipna=False)  # what is undefined adds up to nothing
    private = pd.Series({k: matrix.at[k, k] if k in matrix.index else np.nan for k in matrix.columns}, dtype=float)
    external = social - private.fillna(0.0)
    for k in private.index[np.isinf(private)]:  # what the others have is not lost in it
        external[k] = matrix[k].drop(k).sum(skipna=False)
    frame = pd.DataFrame({"private": private, "externality": external, "social": social})
    return frame.rename_axis("source").reset_index()


def formal(radius: float) -> str:
    """Why an influence at a stable point with ``ρ(B) = radius`` (without free directions) is formal; empty if not."""
    if below_one(radius):
        return ""
    if math.isnan(radius):
        return "whether synchronous dynamics lead to the stable point is not known: the spectral radius was not found"
    does = "repels" if below_one(1 / radius) else "does not attract"
    return (
        f"the stable point {does} synchronous rounds (spectral radius {radius:.4g}, not below 1): the numbers say how "
        "the point moves, but synchronous dynamics do not lead there; another order may (see stability)"
    )
