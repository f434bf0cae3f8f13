"""Where the blocks of a Ray study go: wherever there is room for what each needs, or each on a node of its own."""

from __future__ import annotations

from typing import Any


class Places:
    """The nodes of a cluster that can take a block with so many cores and GPUs, or a ``whole`` node.

    Ray knows no whole nodes: a block gets one by its name, and needs all cores and GPUs that the node has.
    """

    def __init__(self, ray: Any, cpus: float, gpus: float, whole: bool) -> None:
        self.ray, self.whole = ray, whole
        self.needs = {name: need for name, need in (("CPU", cpus), ("GPU", gpus)) if need} or {"CPU": 1}
        self.nodes: dict[str, dict[str, float]] = {}  # what those have that can take a block
        self.taken: dict[Any, str] = {}  # by the reference to a result: the node that makes it, alone

    def count(self) -> int:
        """How many blocks the nodes of now can take at once."""
        alive = {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}
        fitting = {name: self._fitting(has) for name, has in alive.items()}
        self.nodes = {name: alive[name] for name, many in fitting.items() if many}
        return len(self.nodes) if self.whole else sum(fitting.values())

    @property
    def shared(self) -> bool:
        """Whether a node has several GPUs of which a block sees some: these go to a new process each time.

        One that has used a GPU cannot move to another.
        """
        return not self.whole and "GPU" in self.needs and any(has.get("GPU", 0) > 1 for has in self.nodes.values())

    def take(self) -> tuple[dict[str, Any], str]:
        """The options that put the next block where it may go, and the node that it then has for itself."""
        if not self.whole:
            return {}, ""
        taken = set(self.taken.values())
        node = next(name for name in self.nodes if name not in taken)
        where = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        has = self.nodes[node]
        return {"num_cpus": has.get("CPU", 0), "num_gpus": has.get("GPU", 0), "scheduling_strategy": where}, node

    def occupy(self, reference: Any, node: str) -> None:
        """A block is under way on a node."""
        if node:
            self.taken[reference] = node

    def leave(self, reference: Any) -> None:
        """A block is under way no more."""
        self.taken.pop(reference, None)

    def _fitting(self, has: dict[str, float]) -> int:
        return min(int(has.get(name, 0) / need + 1e-6) for name, need in self.needs.items())
