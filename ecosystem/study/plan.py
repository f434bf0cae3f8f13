"""The plan: which points and seeds make a block, decided when they are asked for and never again.

Last bits can depend on what is computed together, so a block is always computed whole: resumed, retried after a crash
or on any number of workers, its numbers are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Seed = tuple[int, int]  # seed, replicate


@dataclass(frozen=True)
class Block:
    """What a worker is given: some points, and the seeds that each of them runs with.

    In a ``fresh`` one the points come up for the first time: tables that do not depend on seeds are made there.
    """

    number: int
    points: tuple[int, ...]
    seeds: tuple[Seed, ...]
    fresh: bool = True

    @property
    def size(self) -> int:
        """Points × seeds."""
        return len(self.points) * len(self.seeds)


@dataclass(frozen=True)
class Request:
    """Points × seeds that were asked for at once, cut into blocks of ``width`` points and ``depth`` seeds.

    The blocks are numbered from ``first`` on; ``dropped`` ones are not asked for any more and will not be computed.
    """

    first: int
    points: tuple[int, ...]
    seeds: tuple[Seed, ...]
    width: int
    depth: int
    fresh: bool = True
    dropped: tuple[int, ...] = ()
    retries: bool = False  # of points that failed: their rows of before are replaced

    def __len__(self) -> int:
        """How many block numbers it takes up."""
        return -(-len(self.points) // self.width) * max(1, -(-len(self.seeds) // self.depth))

    @property
    def numbers(self) -> range:
        """The block numbers that are its own, also those of dropped ones."""
        return range(self.first, self.first + len(self))

    def blocks(self) -> Iterator[Block]:
        """Its blocks, without the dropped ones."""
        number, dropped = self.first, set(self.dropped)
        for p in range(0, len(self.points), self.width):
            for s in range(0, max(1, len(self.seeds)), self.depth):
                if number not in dropped:
                    fresh = self.fresh and s == 0
                    yield Block(number, self.points[p : p + self.width], self.seeds[s : s + self.depth], fresh)
                number += 1

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "seeds": [list(seed) for seed in self.seeds]}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Request:
        lists = {name: tuple(given[name]) for name in ("points", "dropped")}
        return cls(**{**given, **lists, "seeds": tuple((seed, replicate) for seed, replicate in given["seeds"])})


@dataclass(frozen=True)
class Rectangle:
    """Points × seeds that nobody has computed; ``fresh`` as for blocks."""

    points: tuple[int, ...]
    seeds: tuple[Seed, ...]
    fresh: bool


def next_number(requests: Sequence[Request]) -> int:
    """The first block number that is still free."""
    return requests[-1].numbers.stop if requests else 0


def dropping(
    requests: Sequence[Request], finished: Collection[int], points: Collection[int], seeds: Collection[Seed]
) -> list[Request]:
    """The requests without unfinished blocks that hold a point or a seed nobody asks for any more."""
    asked, wanted = set(points), set(seeds)
    kept = []
    for request in requests:
        gone = [
            block.number
            for block in request.blocks()
            if block.number not in finished and not (asked.issuperset(block.points) and wanted.issuperset(block.seeds))
        ]
        kept.append(replace(request, dropped=(*request.dropped, *gone)))
    return kept


def missing(requests: Sequence[Request], points: Sequence[int], seeds: Sequence[Seed]) -> list[Rectangle]:
    """What no block covers yet, as few rectangles; points in the order given."""
    covered: dict[int, tuple[tuple[Seed, ...], ...]] = {}  # by point: the seeds of its blocks
    known: set[int] = set()  # points that some block is fresh for
    for request in requests:
        for block in request.blocks():
            known.update(block.points if block.fresh else ())
            for point in block.points:
                covered[point] = (*covered.get(point, ()), block.seeds)
    lacking: dict[tuple[tuple[Seed, ...], ...], tuple[Seed, ...]] = {}  # points share them
    found: dict[tuple[tuple[Seed, ...], bool], list[int]] = {}
    for point in points:
        have = covered.get(point, ())
        if have not in lacking:
            there = {seed for part in have for seed in part}
            lacking[have] = tuple(seed for seed in seeds if seed not in there)
        if lacking[have] or point not in known:
            found.setdefault((lacking[have], point not in known), []).append(point)
    return [Rectangle(tuple(many), lacks, fresh) for (lacks, fresh), many in found.items()]


def pending(requests: Sequence[Request], finished: Collection[int]) -> list[Block]:
    """The blocks that are still to be computed."""
    return [block for request in requests for block in request.blocks() if block.number not in finished]


def side_by_side(points: Sequence[int], likeness: Sequence[str]) -> list[int]:
    """Points of equal ``likeness`` beside each other, otherwise in their order."""
    groups: dict[str, list[int]] = {}
    for point, like in zip(points, likeness, strict=True):
        groups.setdefault(like, []).append(point)
    return [point for group in groups.values() for point in group]


def in_words(seeds: Sequence[Sequence[int]]) -> str:
    """Pairs (seed, replicate) in words: the first, the last, and how many."""
    ends = [str(seed) if replicate == 0 else f"{seed}.{replicate}" for seed, replicate in (seeds[0], seeds[-1])]
    return ends[0] if len(seeds) == 1 else f"{ends[0]} to {ends[1]}, {len(seeds)} of them"
