"""Does curating more help, when two image models read each other? Nine ways to be coupled, on colour images of digits.

Two class-conditional flow-matching models draw handwritten digits on coloured paper. The users of ``theta`` prefer
warm paper, those of ``phi`` cool paper; both like colours as in the data (``2·band + 0.3·realism``). Each round both
train on real images and on images that users curated: of six candidates of one class, the producer's users keep one,
with probability proportional to ``exp(reward)``. Of ``theta``'s curated images the fraction ``c_theta`` is ``phi``'s
work, the others its own; of ``phi``'s the fraction ``c_phi`` is ``theta``'s:

    setting     A1     A2     A3     A4     A5     A6     B1     B2     B3
    c_theta     0      0.2    0.3    0.7    0.2    0.7    1      0.9    1
    c_phi       1      0.8    0.4    0.3    0.3    0.8    0.3    0.3    0

A1 to A6 are the settings of the image experiment of Zhang, Wei, Zhang 2026 (arXiv 2605.29267, section 5), at a size for
two processor cores: scikit-learn's digits instead of CIFAR-10 (`scenarios/cifar.py` has that), 24 rounds of 400 images
and 40 steps instead of 55 of 8,000 and 4,000. In B1 to B3 curation backfires (:func:`exact`). The question asked of
each setting: ``theta``'s curation level goes from 0.5 to 0.6; what happens to both alignments?
`analysis/image_settings.py` answers it.

The paper prints ``0.3·band + 0.3·realism``. No such reward exceeds .3, where its figure reaches .92: that was made with
other weights. ``(2, 0.3)`` reproduce it, ``weights=(0.3, 0.3)`` are as printed. There, users hardly select at all: to
first order a level of 0.6 in place of 0.5 moves a model by half of ``(5/6)·Var r``.

:func:`exact` is the same network on the population: the real images are symbols, each model a categorical of them, and
what users keep is known in closed form: `analysis/image_population.py` shows all settings in seconds.

    ecosystem run scenarios/tinted_digits.py --set setting=A4 --replicates 1 --out runs/tinted

Takes three minutes; needs nothing more.
"""

from functools import cache, partial

import pandas as pd
import torch
from torch import Tensor

from ecosystem import (
    Categorical,
    Ecosystem,
    Flow,
    HoldThenDecay,
    ImageFlow,
    Luce,
    Member,
    Record,
    Scenario,
    Stream,
    Study,
    Tabular,
    Training,
)
from ecosystem.data import tinted_digits
from ecosystem.rewards import cool, warm

# (c_theta, c_phi) of each setting: the paper's, and three in which curation backfires
PAPER = {"A1": (0, 1), "A2": (0.2, 0.8), "A3": (0.3, 0.4), "A4": (0.7, 0.3), "A5": (0.2, 0.3), "A6": (0.7, 0.8)}
SETTINGS = {**PAPER, "B1": (1, 0.3), "B2": (0.9, 0.3), "B3": (1, 0)}
WEIGHTS = (2.0, 0.3)  # of band and realism
TASTES = {"theta": warm, "phi": cool}


def scenario(
    setting: str = "A1",
    curation: float = 0.5,
    rounds: int = 24,
    samples: int = 400,
    steps: int = 40,
    hold: int | None = 16,
    warm_up: int = 2000,
    candidates: int = 6,
    temperature: float = 1.0,
    weights: tuple[float, float] = WEIGHTS,
    device: str = "cpu",
) -> Scenario:
    """``curation`` is ``theta``'s level; ``phi``'s is 0.5. Everything else is real.

    Both start from one model, trained for ``warm_up`` steps on real images, and train for ``steps`` a round. The
    learning rate stays for ``hold`` rounds and is then halved every round, without weight decay, so that the models
    stop; ``None``: it stays. ``weights`` are those of band and realism in the users' rewards.
    """
    images = tinted_digits()
    plan = Training(
        steps,
        optimizer=partial(torch.optim.AdamW, lr=5e-4, fused=True),
        decay=None if hold is None else HoldThenDecay(hold),
        keep_optimizer=True,
    )
    s = Scenario("tinted digits", rounds=rounds, samples=samples)
    for name, taste in TASTES.items():
        model = ImageFlow(training_plan=plan, device=device)
        model.load_state_dict(pretrained(warm_up, device))
        users = Luce(candidates, temperature)
        s.add(name, Member(model, reward=taste(images, weights), curator=users, real=images))
    couple(s, setting, curation)
    return s


def fractions(setting: str) -> tuple[float, float]:
    """``c_theta`` and ``c_phi`` of a setting."""
    if setting not in SETTINGS:
        raise ValueError(f"scenario(setting) is one of {', '.join(SETTINGS)}, got {setting!r}")
    return SETTINGS[setting]


def couple(s: Scenario, setting: str, curation: float) -> None:
    """Connect ``theta`` and ``phi`` as a setting says."""
    for v, other, level, crossed in zip(
        ("theta", "phi"), ("phi", "theta"), (curation, 0.5), fractions(setting), strict=True
    ):
        for u, share in ((other, level * crossed), (v, level * (1 - crossed))):
            if share:
                s.connect(u, v, Flow(curated=share))


def study(
    seeds: int = 3,
    temperature: float = 1.0,
    hold: int = 16,
    settings: tuple[str, ...] = tuple(SETTINGS),
    weights: tuple[float, float] = WEIGHTS,
) -> Study:
    """All settings at both levels of curation, every round judged by the same noise."""
    grid = {"setting": list(settings), "curation": [0.5, 0.6], "temperature": [temperature], "hold": [hold]}
    record = Record(every=2, judged=600, same_noise=True)
    band, realism = weights
    build = partial(scenario, weights=(band, realism))
    return Study("image settings", build, grid=grid, seeds=seeds, record=record)


# -- the network on the population -------------------------------------------------------------------------------------


def symbols(
    setting: str = "A1",
    curation: float = 0.5,
    label: int = 0,
    rounds: int = 24,
    candidates: int = 6,
    temperature: float = 1.0,
    weights: tuple[float, float] = WEIGHTS,
) -> Scenario:
    """The network of one class on the population: its real images are symbols, of which each model is a categorical.

    A model that could learn its data perfectly, of infinitely many images a round, from where it makes real ones.
    """
    images = tinted_digits()
    mine = (images.inputs == label).nonzero().flatten()
    most = int(torch.bincount(images.inputs).max())  # classes of one length are variants of one ecosystem
    real = torch.zeros(most, dtype=torch.float64)
    real[: len(mine)] = 1 / len(mine)
    s = Scenario("tinted digits as symbols", rounds=rounds)
    for name in TASTES:
        values = torch.zeros(most, dtype=torch.float64)
        values[: len(mine)] = _judged(name, weights)[mine]
        start = Categorical(real)
        s.add(name, Member(start, reward=Tabular(values), curator=Luce(candidates, temperature), real=start))
    couple(s, setting, curation)
    return s


def exact(setting: str = "A1", curation: float = 0.5, rounds: int = 24, **of: float | tuple[float, float]) -> pd.Series:
    """Both alignments of the population after so many rounds, averaged over the classes as they are in the data.

    ``of`` are candidates, temperature and weights.
    """
    counts = torch.bincount(tinted_digits().inputs)
    scenarios = [symbols(setting, curation, label, rounds, **of) for label in range(len(counts))]  # type: ignore[arg-type]
    eco = Ecosystem(scenarios, seeds=[0], record=Record(last=1))
    eco.run()
    last = torch.stack([eco[name].alignment[:, 0] for name in TASTES])
    return pd.Series((last @ (counts / counts.sum()).double()).tolist(), index=list(TASTES), name=setting)


@cache
def _judged(name: str, weights: tuple[float, float]) -> Tensor:
    """The reward of every real image by the users of a member."""
    images = tinted_digits()
    return TASTES[name](images, weights)(images.outputs)


# -- data and the start ------------------------------------------------------------------------------------------------


@cache
def pretrained(steps: int, device: str = "cpu") -> dict[str, Tensor]:
    """The weights of a model trained on real images alone, from which all start."""
    model = ImageFlow(training_plan=Training(max(steps, 1)), device=device)
    if steps:
        model.fit(tinted_digits(), Stream.root([(0, 0)])[0].at("pretrained"))
    return model.state_dict()
