"""The plan: which points and seeds are computed together, decided when they are asked for and never again.

Last bits can depend on what is computed together, so this is fixed: resumed, retried after a crash or on any number of
workers, the numbers are the same. How many of these smallest blocks a worker computes one after the other, and writes
at once, is a matter of time alone (:mod:`ecosystem.study.pacing`): it moves no number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Seed = tuple[int, int]  # seed, replicate


@dataclass(frozen=True)
class Block:
    """What a worker is given: some points, and the seeds that each of them runs with.

    In a ``fresh`` one the points come up for the first time: tables that do not depend on seeds are made there. It is
    made of ``span`` parts, each of at most ``width`` points and ``depth`` seeds (0: all), which are computed together;
    they have the numbers from ``number`` on.
    """

    number: int
    points: tuple[int, ...]
    seeds: tuple[Seed, ...]
    fresh: bool = True
    span: int = 1
    width: int = 0
    depth: int = 0

    @property
    def size(self) -> int:
        """Points × seeds."""
        return len(self.points) * len(self.seeds)

    @property
    def numbers(self) -> range:
        """Those of its parts."""
        return range(self.number, self.number + self.span)

    def parts(self) -> Iterator[Block]:
        """What is computed together, part by part."""
        number, width, depth = self.number, self.width or len(self.points) or 1, self.depth or len(self.seeds) or 1
        for p in range(0, len(self.points), width):
            for s in range(0, max(1, len(self.seeds)), depth):
                yield Block(number, self.points[p : p + width], self.seeds[s : s + depth], self.fresh and s == 0)
                number += 1


@dataclass(frozen=True)
class Request:
    """Points × seeds that were asked for at once, cut into blocks of ``width`` points and ``depth`` seeds.

    The blocks are numbered from ``first`` on; ``dropped`` ones are not asked for any more and will not be computed. Up
    to ``most`` of them may become one, that a worker computes and writes at once.
    """

    first: int
    points: tuple[int, ...]
    seeds: tuple[Seed, ...]
    width: int
    depth: int
    fresh: bool = True
    dropped: tuple[int, ...] = ()
    retries: bool = False  # of points that failed: their rows of before are replaced
    most: int = 1

    def __len__(self) -> int:
        """How many block numbers it takes up."""
        return -(-len(self.points) // self.width) * self.across

    @property
    def across(self) -> int:
        """How many blocks hold the same points, with other seeds."""
        return max(1, -(-len(self.seeds) // self.depth))

    @property
    def numbers(self) -> range:
        """The block numbers that are its own, also those of dropped ones."""
        return range(self.first, self.first + len(self))

    def blocks(self) -> Iterator[Block]:
        """Its smallest blocks, without the dropped ones; what is tried again goes with all seeds at once."""
        span, dropped = self.across if self.retries else 1, set(self.dropped)
        for number in self.numbers[::span]:
            if number not in dropped:
                yield self.block(number, span)

    def block(self, number: int, span: int = 1) -> Block:
        """The block of ``span`` smallest ones from a number on: some seeds of the same points, or all seeds of more.

        Raises
        ------
        ValueError
            If they are neither.
        """
        (row, column), across = divmod(number - self.first, self.across), self.across
        rows, more = divmod(span, across)
        inside = column + span <= across
        if number not in self.numbers or number + span > self.numbers.stop or not (inside or column == more == 0):
            raise ValueError(f"there is no block of {span} from number {number} on")
        points = self.points[row * self.width : (row + (1 if inside else rows)) * self.width]
        seeds = self.seeds[column * self.depth : (column + span) * self.depth] if inside else self.seeds
        return Block(number, points, seeds, self.fresh and column == 0, span, self.width, self.depth)

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
    """The smallest blocks that are still to be computed."""
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
