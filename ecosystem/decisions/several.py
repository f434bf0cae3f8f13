"""Programs of references over several scenarios at once: the same distributions, whichever of them is true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecosystem.decisions.floors import Array
from ecosystem.decisions.references import Fares, Program


def over_all(programs: Sequence[Program], weights: Array, over: str, known: Array) -> Program:
    """One program of those of all scenarios, in which their members draw from the same references.

    ``q`` stands for ``mean real · R``; in a scenario with other real shares the same references weigh and cost
    in proportion. *Expected*: floors hold on average, ``Σ_s w_s (A_s q − b_s) ≥ 0``, at the least mean cost. *Worst*:
    they hold in every scenario, and the dearest counts. *Regret*: they hold in every scenario, and what counts is by
    how much the cost is above that scenario's own cheapest, ``known [scenarios]``, where that is most.
    """
    first = programs[0]
    if len(programs) == 1:
        return first
    real = np.einsum("s,sm->m", weights, np.stack([one.real for one in programs]))
    scales = [np.repeat(one.real / real, one.sizes) for one in programs]
    rows = [one.weights * scale for one, scale in zip(programs, scales, strict=True)]
    if over == "expected":
        parts = [weight * one.units for weight, one in zip(weights, programs, strict=True)]
        units = np.sum(parts, axis=0)
        weighed = np.sum([part[:, None] * row for part, row in zip(parts, rows, strict=True)], axis=0)
        least = np.sum([part * one.least for part, one in zip(parts, programs, strict=True)], axis=0)
        return Program(first.names, first.sizes, first.costs, real, weighed / units[:, None], least / units, units)
    least, units = (np.concatenate([getattr(one, name) for one in programs]) for name in ("least", "units"))
    costs = np.stack([first.costs * scale for scale in scales])
    alike = np.allclose(costs, first.costs, rtol=1e-12, atol=0)  # then the cheapest is the cheapest everywhere
    fares = None if alike else Fares(costs, known if over == "regret" else 0 * known)
    return Program(first.names, first.sizes, first.costs, real, np.concatenate(rows), least, units, fares)
