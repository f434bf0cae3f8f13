"""Who gets its users' taste when laboratories train on each other's handwritten digits?

Four laboratories each fit a mixture of ten Gaussians, one for each digit, to half of scikit-learn's 1,797 real images.
From then on they retrain, round by round, on real images and on what they publish; no labels travel. Taste is the ink
of an image, in pixels' worth of black: real images hold 19.5 of 64. The users of Poster and Marker want bold strokes
(27), those of Hairline and Pencil thin ones (12). Alignment is minus the mean squared distance from what they want.

    Poster     bold   its own output and Marker's, curated by its users; a little raw Hairline
    Hairline   thin   its own output and Pencil's, curated by its users; a little raw Poster
    Marker     bold   much of Hairline, half of it curated by Marker's users; some of its own
    Pencil     thin   nothing curated: Hairline's output and its own, as they come

To curate is to keep the best of four images. A fifth of each diet is real, and each trains on its last four rounds.

What comes out, in every replicate: Poster and Hairline get what their users want (ink 19.5 → 23 and 15; alignment −61
→ −37 and −28). Pencil's users never choose, and get it too, by reading Hairline (16; −38). Marker's users choose 30 %
of its diet and lose all the same (18; −60 → −101), since they choose from what Hairline draws; had they not chosen, it
would be −138. The images stay digits, but no longer all of them: nearly half of what Poster draws are eights. Where
choice is blind (``candidates=1``) nothing of this happens.

    ecosystem run scenarios/digits.py --replicates 4 --out runs/digits

Takes ten seconds; needs nothing more.
"""

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ecosystem import BestOf, Flow, GaussianMixture, Member, Scenario, window
from ecosystem.core.laws import Moments
from ecosystem.rewards import Reward, aligned


@dataclass(frozen=True, eq=False, repr=False)
class Ink(Reward):
    """``r(x) = −(ink(x) − ideal)²``: users want images with ``ideal`` pixels' worth of black."""

    ideal: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        ink = x.sum((-2, -1))
        return -((ink - aligned(self.ideal, 0, ink.ndim)) ** 2)

    def moments(self, law: Moments) -> Tensor:
        """``E r = −(E ink − ideal)² − Var ink``, exact for every law with two moments."""
        return -((law.mean.sum(-1) - self.ideal) ** 2) - law.covariance.sum((-2, -1))


def scenario(
    rounds: int = 40, samples: int = 800, candidates: int = 4, bold: float = 27.0, thin: float = 12.0, real: float = 0.2
) -> Scenario:
    """Four laboratories with a share ``real`` of real images; of their other data the fractions are written below."""
    images, labels = real_digits()
    halves = torch.Generator().manual_seed(0)
    bold_users = Ink(torch.tensor(bold, dtype=torch.float64)).named("bold strokes")
    thin_users = Ink(torch.tensor(thin, dtype=torch.float64)).named("thin strokes")
    users = BestOf(candidates)
    s = Scenario("digits", rounds=rounds, samples=samples)
    for name, taste, curator in (
        ("Poster", bold_users, users),
        ("Marker", bold_users, users),
        ("Hairline", thin_users, users),
        ("Pencil", thin_users, None),
    ):
        half = torch.randperm(len(images), generator=halves)[: len(images) // 2]
        model = GaussianMixture.of_classes(images[half], labels[half], floor=0.01)
        s.add(name, Member(model, reward=taste, curator=curator, real=images[half], retention=window(4)))

    def read(source: str, reader: str, raw: float = 0.0, curated: float = 0.0) -> None:
        flow = Flow((1 - real) * raw, (1 - real) * curated, chosen_by="consumer")
        s.connect(source, reader, flow)

    read("Poster", "Poster", curated=0.625)
    read("Marker", "Poster", curated=0.25)
    read("Hairline", "Poster", raw=0.125)
    read("Hairline", "Hairline", curated=0.625)
    read("Pencil", "Hairline", curated=0.25)
    read("Poster", "Hairline", raw=0.125)
    read("Hairline", "Marker", raw=0.375, curated=0.375)
    read("Marker", "Marker", raw=0.25)
    read("Hairline", "Pencil", raw=0.625)
    read("Pencil", "Pencil", raw=0.375)
    return s


def real_digits() -> tuple[Tensor, Tensor]:
    """Images ``[1797, 8, 8]`` with pixels between 0 (paper) and 1 (ink), and the digits they show."""
    data = load_digits()
    return torch.from_numpy(data.images) / 16, torch.from_numpy(data.target)
