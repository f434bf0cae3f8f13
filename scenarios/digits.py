"""Who gets its users' taste when laboratories train on each other's digits?

Four laboratories train generative models of handwritten digits (a mixture of one Gaussian per digit, fitted to half of
scikit-learn's 1,797 real images) on real images and on what is published, round by round. Taste is the ink of an
image, in pixels' worth of black: the users of Amber and Birch like bold strokes, those of Coral and Dune thin ones.
Only Amber's and Coral's users curate: of four images each they publish the best.

    Amber   its own curated output, a little raw Coral
    Birch   Amber's curated output
    Coral   its own curated output, and more of Amber's curated output
    Dune    Coral's curated output

The rest of every diet is real. What comes out: Amber and Birch get bolder, Birch without curating anything. Coral
curates for thin strokes and ends up *bolder* than it began, because more of what it reads was chosen by Amber's users
than by its own. Dune, which only reads what Coral's users chose, gets the thin strokes that they wanted.

    ecosystem run scenarios/digits.py --replicates 4 --out runs/digits
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ecosystem import BestOf, Flow, GaussianMixture, Linear, Member, Scenario

INK = torch.ones(8, 8)
TASTES = {
    "Amber": Linear(INK).named("bold strokes"),
    "Birch": Linear(INK).named("bold strokes"),
    "Coral": Linear(-INK).named("thin strokes"),
    "Dune": Linear(-INK).named("thin strokes"),
}
CURATORS = ("Amber", "Coral")


def scenario(
    rounds: int = 40, samples: int = 600, own: float = 0.2, foreign: float = 0.3, candidates: int = 4
) -> Scenario:
    """Coral takes ``own`` of its diet from what its users chose, ``foreign`` from what Amber's users chose."""
    images, labels = real_digits()
    halves = torch.Generator().manual_seed(0)
    s = Scenario("digits", rounds=rounds, samples=samples)
    for name, taste in TASTES.items():
        half = torch.randperm(len(images), generator=halves)[: len(images) // 2]
        model = GaussianMixture.of_classes(images[half], labels[half], floor=0.003)
        curator = BestOf(candidates) if name in CURATORS else None
        s.add(name, Member(model, reward=taste, curator=curator, real=images[half]))
    s.connect("Amber", "Amber", Flow(curated=0.25, transform=published))
    s.connect("Coral", "Amber", Flow(raw=0.15, transform=published))
    s.connect("Amber", "Birch", Flow(curated=0.4, transform=published))
    s.connect("Coral", "Coral", Flow(curated=own, transform=published))
    s.connect("Amber", "Coral", Flow(curated=foreign, transform=published))
    s.connect("Coral", "Dune", Flow(curated=0.4, transform=published))
    return s


def real_digits() -> tuple[Tensor, Tensor]:
    """Images ``[1797, 8, 8]`` with pixels between 0 (paper) and 1 (ink), and the digits they show."""
    data = load_digits()
    return torch.from_numpy(data.images) / 16, torch.from_numpy(data.target)


def published(image: Tensor) -> Tensor:
    """What is published is an image: pixels between paper and ink."""
    return image.clamp(0, 1)
