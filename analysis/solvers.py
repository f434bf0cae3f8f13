"""Which way of solving ``x − Bx = b`` for many right-hand sides pays, on three kinds of networks?

Members with 12 numbers read about eight others through matrices near rotations, and themselves a little; ``ρ(B)`` is
about .9. *Random*: everybody reads anybody. *Scale-free*: few are read by many. *Ring*: everybody reads those nearby,
so that very many modes fade slowly. Every way goes on to a relative residual of 1e-10, which is measured afterwards;
seconds are of one core and count what is prepared. ``inf``: it got stuck on the way.

    .venv/bin/python analysis/solvers.py                   # a minute
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.sparse.linalg import spilu, splu
from torch import Tensor

from ecosystem.influence import krylov, slow

WIDTH, DEGREE, LEVEL, SELF, SIDES, ACCURACY = 12, 8, 0.9, 0.15, 64, 1e-10
Way = Callable[[sparse.csr_array, Tensor], Tensor]


def producers(kind: str, members: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Whom each member reads, besides itself."""
    if kind == "ring":
        return [(i + np.delete(np.arange(-4, 5), 4)) % members for i in range(members)]
    power = 1 if kind == "random" else 2
    return [np.unique((members * rng.random(DEGREE) ** power).astype(int)) for _ in range(members)]


def network(kind: str, members: int) -> sparse.csr_array:
    """``B`` of such a network."""
    rng, blocks, columns, ends = np.random.default_rng(0), [], [], [0]
    for i, others in enumerate(producers(kind, members, rng)):
        shares = {int(j): (LEVEL - SELF) / len(others) for j in others}
        shares[i] = shares.get(i, 0.0) + SELF
        for j in sorted(shares):
            turn = rng.normal(size=(WIDTH, WIDTH)) * 0.15 / np.sqrt(WIDTH)
            blocks.append(shares[j] * np.linalg.qr(np.eye(WIDTH) + turn - turn.T)[0])
            columns.append(j)
        ends.append(len(columns))
    return sparse.csr_array(sparse.bsr_array((np.array(blocks), columns, ends)).tocsr())


def product(matrix: sparse.csr_array) -> krylov.Operator:
    """Of rows, in both precisions."""
    kept = {torch.float64: matrix, torch.float32: matrix.astype(np.float32)}
    return lambda v: torch.from_numpy(np.ascontiguousarray((kept[v.dtype] @ np.ascontiguousarray(v.numpy().T)).T))


def together(matrix: sparse.csr_array, sides: Tensor) -> Tensor:
    return krylov.solve(product(matrix), sides, ACCURACY, inner=torch.float32).x


def one_by_one(matrix: sparse.csr_array, sides: Tensor) -> Tensor:
    times = product(matrix)
    return torch.cat([krylov.solve(times, side, ACCURACY, inner=torch.float32).x for side in sides.split(1)])


def eased(matrix: sparse.csr_array, sides: Tensor, ease: Callable[[Tensor], Tensor]) -> Tensor:
    """GMRES on ``M (I − B) x = M b``."""
    times = product(matrix)
    found = krylov.solve(lambda v: v - ease(v - times(v)), ease(sides), ACCURACY / 3, inner=torch.float64)
    return found.x


def block_jacobi(matrix: sparse.csr_array, sides: Tensor) -> Tensor:
    """By each member's own block."""
    blocks = sparse.bsr_array(matrix, blocksize=(WIDTH, WIDTH))
    rows = np.repeat(np.arange(len(blocks.indptr) - 1), np.diff(blocks.indptr))
    own = np.linalg.inv(np.eye(WIDTH) - blocks.data[rows == blocks.indices])
    inverse = torch.from_numpy(own)
    return eased(
        matrix, sides, lambda v: torch.einsum("mij,cmj->cmi", inverse, v.unflatten(-1, (-1, WIDTH))).flatten(1)
    )


def factors(matrix: sparse.csr_array, make: Callable[..., object]) -> Callable[[Tensor], Tensor]:
    made = make(sparse.csc_array(sparse.eye_array(matrix.shape[0]) - matrix))
    return lambda v: torch.from_numpy(np.ascontiguousarray(made.solve(np.ascontiguousarray(v.numpy().T)).T))  # type: ignore[attr-defined]


def incomplete(matrix: sparse.csr_array, sides: Tensor) -> Tensor:
    return eased(matrix, sides, factors(matrix, partial(spilu, drop_tol=1e-2, fill_factor=3)))


def factorised(matrix: sparse.csr_array, sides: Tensor) -> Tensor:
    return factors(matrix, splu)(sides)


def series(matrix: sparse.csr_array, sides: Tensor) -> Tensor:
    """What the library does where it pays: slow modes apart; else the same as together."""
    times = product(matrix)
    apart = slow.Slow.of(times, matrix.shape[0])
    if apart is None:
        return together(matrix, sides)
    return slow.solve(apart, times, sides, False, ACCURACY, torch.float32).x


WAYS: dict[str, Way] = {
    "GMRES, one by one": one_by_one,
    "GMRES, together": together,
    "GMRES, block Jacobi": block_jacobi,
    "GMRES, incomplete LU": incomplete,
    "LU": factorised,
    "slow modes apart, a series": series,
}


def measured(kind: str, members: int) -> list[dict[str, object]]:
    """Seconds of each way."""
    matrix, rows = network(kind, members), []
    sides = torch.zeros(SIDES, members * WIDTH, dtype=torch.float64)
    for i, row in enumerate(sides):
        row[WIDTH * i : WIDTH * (i + 1)] = 1.0
    for name, way in WAYS.items():
        begin = time.process_time()
        x = way(matrix, sides)
        seconds = time.process_time() - begin
        left = float(((sides - x + product(matrix)(x)).norm(dim=-1) / sides.norm(dim=-1)).max())
        seconds = seconds if left <= 10 * ACCURACY else float("inf")
        rows.append({"network": kind, "way": name, "seconds": round(seconds, 3), "residual": f"{left:.0e}"})
        print(rows[-1], flush=True)
    return rows


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description="Compare ways of solving for many right-hand sides.")
    parser.add_argument("--members", type=int, default=300)
    parser.add_argument("--out", default="analysis/results", help="folder of the table")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    table = pd.DataFrame([row for kind in ("random", "scale-free", "ring") for row in measured(kind, given.members)])
    print(table.pivot(index="way", columns="network", values="seconds").to_string())
    table.to_csv(Path(given.out) / "solvers.csv", index=False)
    return table


if __name__ == "__main__":
    main()
