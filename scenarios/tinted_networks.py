"""How far does one member's curation travel in a network of image models? A ring, a star and a random graph of eight.

Eight light class-conditional models draw handwritten digits of 8 x 8 pixels on coloured paper. A part ``read`` of what
each trains on comes from those it reads, in equal parts and as they made it; a part ``own`` is its own work, of which
its users have curated some (of six candidates of one class one is kept, with probability proportional to
``exp(reward)``); the rest is real. The users of members with an even number prefer warm paper, the others cool paper,
as in `scenarios/tinted_digits.py`. The question: ``m0``'s users curate more. Who gains, who loses, and how many hops
away?

    ring      m0 → m1 → … → m7 → m0
    star      the leaves m0, m2, …, m7 read the hub m1 and the hub reads them
    random    a directed Erdős–Rényi graph of two sources each on average, strongly connected

:func:`symbols` is the same network on the population: the real images are symbols, each model a categorical of them.
`analysis/image_networks.py` compares the two.

    ecosystem run scenarios/tinted_networks.py --set graph=star --replicates 1 --out runs/networks

Takes half a minute; needs nothing more.
"""

from functools import cache, partial

import networkx as nx
import torch
from torch import Tensor

from ecosystem import Categorical, Flow, ImageFlow, Luce, Member, Pairs, Scenario, Stream, Tabular, Training
from ecosystem.data import tinted_digits
from ecosystem.rewards import cool, warm

MEMBERS = 8
WEIGHTS = (2.0, 0.3)  # of band and realism


def network(graph: str = "ring") -> nx.DiGraph:
    """Who is read by whom: ``u → v`` where ``v`` trains on what ``u`` makes."""
    if graph == "ring":
        return nx.DiGraph(nx.cycle_graph(MEMBERS, create_using=nx.DiGraph))
    if graph == "star":
        hub = 1
        return nx.DiGraph([e for leaf in range(MEMBERS) if leaf != hub for e in ((leaf, hub), (hub, leaf))])
    if graph == "random":
        seed = 0
        while not nx.is_strongly_connected(drawn := nx.gnp_random_graph(MEMBERS, 2 / (MEMBERS - 1), seed, True)):
            seed += 1
        return nx.DiGraph(drawn)
    raise ValueError(f"graph is ring, star or random, got {graph!r}")


def scenario(
    graph: str = "ring",
    curation: float = 0.2,
    rounds: int = 12,
    samples: int = 150,
    steps: int = 30,
    warm_up: int = 2000,
    read: float = 0.5,
    own: float = 0.4,
    candidates: int = 6,
    stacked: bool = True,
) -> Scenario:
    """``curation`` is the curated share of what ``m0`` trains on, of its own work; for all others it is ``own / 2``.

    All start from one model, trained for ``warm_up`` steps on real images; ``stacked`` trains them side
    by side, twice as fast.
    """
    images = small_digits()
    s = Scenario(f"tinted digits: {graph}", rounds=rounds, samples=samples)
    for name, taste in tastes().items():
        model = ImageFlow(shape=(3, 8, 8), hidden=64, steps=4, training_plan=plan(steps, stacked))
        model.load_state_dict(pretrained(warm_up))
        s.add(name, Member(model, reward=taste(images, WEIGHTS), curator=Luce(candidates), real=images))
    couple(s, graph, curation, read, own)
    return s


def plan(steps: int, stacked: bool) -> Training:
    """How the models train in each round."""
    return Training(steps, 64, partial(torch.optim.AdamW, lr=1e-3), keep_optimizer=True, stacked=stacked)


def tastes() -> dict[str, partial]:
    """Who likes what: even members warm paper, odd ones cool."""
    return {f"m{i}": partial((warm, cool)[i % 2]) for i in range(MEMBERS)}


def couple(s: Scenario, graph: str, curation: float, read: float, own: float) -> None:
    """Connect the members of a scenario as a graph says."""
    links = network(graph)
    for v in range(MEMBERS):
        curated = curation if v == 0 else own / 2
        s.connect(f"m{v}", f"m{v}", Flow(raw=own - curated, curated=curated))
        for u in links.predecessors(v):
            s.connect(f"m{u}", f"m{v}", Flow(raw=read / links.in_degree(v)))


def symbols(
    graph: str = "ring",
    curation: float = 0.2,
    label: int = 0,
    rounds: int = 12,
    read: float = 0.5,
    own: float = 0.4,
    candidates: int = 6,
) -> Scenario:
    """The network of one class on the population: its real images are symbols, of which each model is a categorical."""
    images = small_digits()
    mine = (images.inputs == label).nonzero().flatten()
    most = int(torch.bincount(images.inputs).max())  # classes of one length are variants of one ecosystem
    real = torch.zeros(most, dtype=torch.float64)
    real[: len(mine)] = 1 / len(mine)
    s = Scenario(f"tinted digits as symbols: {graph}", rounds=rounds)
    for i, name in enumerate(tastes()):
        values = torch.zeros(most, dtype=torch.float64)
        values[: len(mine)] = _judged(i % 2)[mine]
        start = Categorical(real)
        s.add(name, Member(start, reward=Tabular(values), curator=Luce(candidates), real=start))
    couple(s, graph, curation, read, own)
    return s


@cache
def _judged(taste: int) -> Tensor:
    images = small_digits()
    return (warm, cool)[taste](images, WEIGHTS)(images.outputs)


@cache
def small_digits() -> Pairs:
    """The tinted digits at 8 x 8 pixels, ``[n, 3, 8, 8]``."""
    images = tinted_digits()
    return Pairs(images.inputs, torch.nn.functional.avg_pool2d(images.outputs, 2))


@cache
def pretrained(steps: int) -> dict[str, Tensor]:
    """The weights of a model trained on real images alone, from which all start."""
    model = ImageFlow(shape=(3, 8, 8), hidden=64, steps=4, training_plan=Training(max(steps, 1)))
    if steps:
        model.fit(small_digits(), Stream.root([(0, 0)])[0].at("pretrained"))
    return model.state_dict()
