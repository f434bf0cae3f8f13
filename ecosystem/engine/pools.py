"""What the weights of users who choose between members make of shares: parts of a diet that share out one total.

A *pool* is some parts of one diet. Together they keep what the scenario declares for them; each gets its declared share
times the use of the member by whom it is weighed, so evenly spread users leave a diet as it is declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ecosystem.curation.demand import Demand, Part


@dataclass(frozen=True, eq=False)
class Group:
    """A group of users who choose, ``demand`` with the batch ``[variants, 1]``; its weights begin at ``first``."""

    who: str
    demand: Demand
    first: int

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + len(self.demand.among))


@dataclass(frozen=True, eq=False)
class Pools:
    """All pools of one kind of lever.

    ``component [parts]``, their ``pool [parts]``, what weighs them whatever users do ``fixed [parts]``; ``row`` and
    ``choice [entries]`` say which weight counts for which part, with ``factor [entries, variants, 1]``; ``target
    [pools]`` whose diet it is.
    """

    component: Tensor
    pool: Tensor
    fixed: Tensor
    row: Tensor
    choice: Tensor
    factor: Tensor
    target: Tensor

    def weighed(self, shares: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Shares ``[components, variants, replicates]``, and in which pools nobody uses a part, ``[pools]`` alike."""
        declared = shares[self.component].expand(-1, *weights.shape[1:])
        use = self.fixed.reshape(-1, 1, 1).to(weights).expand(-1, *weights.shape[1:])
        use = use.index_add(0, self.row, self.factor * weights[self.choice])
        wanted = declared * use
        blank = weights.new_zeros(len(self.target), *weights.shape[1:])
        whole, total = (blank.index_add(0, self.pool, part) for part in (declared, wanted))
        used = total > 0
        scale = whole / torch.where(used, total, 1.0)
        new = torch.where(used[self.pool], wanted * scale[self.pool], declared)
        every = shares.expand(-1, *weights.shape[1:])
        return every.index_copy(0, self.component, new), ~used & (whole > 0)


def begun(groups: Sequence[Group], variants: int, replicates: int) -> Tensor:
    """The first weights of all groups, ``[choices, variants, replicates]``."""
    parts = [group.demand.start[:, 0].T.unsqueeze(-1).expand(-1, variants, replicates) for group in groups]
    return torch.cat(parts).contiguous() if parts else torch.zeros(0, variants, replicates, dtype=torch.float64)


def weighed(pools: Sequence[Pools], shares: Tensor, weights: Tensor) -> Tensor:
    """Shares ``[components, variants, replicates]`` as users set them, of those that are declared."""
    for pool in pools:
        shares = pool.weighed(shares, weights)[0]
    return shares


def unused(pools: Sequence[Pools], shares: Tensor, weights: Tensor, members: int) -> Tensor:
    """Who has nobody among those whose use feeds it, ``[members, variants, replicates]``."""
    out = torch.zeros(members, *weights.shape[1:], dtype=torch.bool, device=weights.device)
    for pool in pools:
        shares, nobody = pool.weighed(shares, weights)
        out = out.index_put((pool.target,), out[pool.target] | nobody)
    return out


def pools_of(parts: Sequence[Part], groups: Sequence[Group], index: dict[str, int]) -> tuple[Pools, ...]:
    """The pools of all ``groups`` in diets of ``parts [components]``: levers of one kind together, in their order."""
    kinds: dict[object, list[tuple[Group, int]]] = {}
    for group in groups:
        for number, lever in enumerate(group.demand.sets):
            kinds.setdefault(type(lever), []).append((group, number))
    return tuple(found for many in kinds.values() if (found := _pools(parts, many, index)) is not None)


def _pools(parts: Sequence[Part], many: list[tuple[Group, int]], index: dict[str, int]) -> Pools | None:
    fixed: dict[int, float] = {}
    users: dict[int, list[tuple[int, Group]]] = {}  # by component, whose weights count
    for group, number in many:
        among = group.demand.among
        for i, part in enumerate(parts):
            said = group.demand.sets[number].weigh(part, group.who, among)
            if isinstance(said, str):
                users.setdefault(i, []).append((group.first + among.index(said), group))
            elif said is not None and fixed.setdefault(i, float(said)) != float(said):
                raise ValueError(_unlike(part, group, f"{fixed[i]:g}", f"{float(said):g}"))
    if not users:
        return None
    for i in fixed.keys() & users.keys():
        raise ValueError(_unlike(parts[i], users[i][0][1], f"{fixed[i]:g}", "by use"))
    component = sorted(fixed.keys() | users.keys())
    targets = sorted({index[parts[i].target] for i in component})
    entries = [(row, choice, group, i) for row, i in enumerate(component) for choice, group in users.get(i, ())]
    sizes = {i: torch.stack([group.demand.size for _, group in here]).sum(0) for i, here in users.items()}
    factor = torch.stack(
        [len(g.demand.among) * g.demand.size / sizes[i] for _, _, g, i in entries]
    )  # 1 if spread evenly
    ids = {
        "component": component,
        "pool": [targets.index(index[parts[i].target]) for i in component],
        "row": [row for row, *_ in entries],
        "choice": [choice for _, choice, *_ in entries],
        "target": targets,
    }
    base = [0.0 if i in users else fixed[i] for i in component]
    return Pools(
        fixed=torch.tensor(base, dtype=torch.float64, device=factor.device),
        factor=factor,
        **{name: torch.tensor(many, dtype=torch.int64, device=factor.device) for name, many in ids.items()},
    )


def _unlike(part: Part, group: Group, one: str, other: str) -> str:
    """The refusal of a part that groups weigh in two ways: which of them counts would hang on their order."""
    source = "real data" if part.source is None else repr(part.source)
    return (
        f"the demand of {group.who!r} and that of another group weigh what {part.target!r} takes of {source} unlike, "
        f"{one} and {other}; let their levers agree, or give them levers of two classes"
    )
