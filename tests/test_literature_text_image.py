"""``scenarios/text_image.py`` against its closed forms, and what its docstring says.

Statistical tests have fixed seeds; a bound of four standard errors holds for a correct program with 99.99 %.
"""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from scenarios import text_image


def ends(replicates: int = 400, **settings) -> dict[str, Tensor]:
    """Shares of text and image, means, and the variance of images by caption beside that of the start."""
    found = text_image.scenario(**settings).run(seed=2, replicates=replicates).parameters
    image = found["image"]
    trace = image["covariances"].diagonal(dim1=-2, dim2=-1).sum(-1)
    return {"p": found["text"]["probabilities"], "w": image["inputs"], "means": image["means"], "trace": trace / 2}


def close(seen: Tensor, exact: float) -> None:
    """A mean over replicates, within four standard errors."""
    assert abs(float(seen.mean()) - exact) < 4 * float(seen.std()) / len(seen) ** 0.5


def spread(p: Tensor) -> Tensor:
    return 1 - (p**2).sum(-1)


def test_where_the_image_model_is_frozen_captions_drift() -> None:
    """``E[1−Σp²] = (1−Σp₀²)(1−1/n)^t``: each is a multinomial of what the other wrote."""
    found = ends(2000, frozen="image", samples=20, rounds=10)
    exact = float(spread(text_image.start(3)[0])) * (1 - 1 / 20) ** 10
    close(spread(found["p"]), exact)
    close(spread(found["w"]), exact)
    assert bool((found["trace"] == 1).all())


def test_where_the_text_model_is_frozen_images_of_a_caption_narrow_and_wander() -> None:
    """``E tr Σ_t = tr Σ₀ (1−1/N)^t``, ``E‖μ_t−μ₀‖² = tr Σ₀ (1−(1−1/N)^t)``, of one caption with N images a round."""
    found = ends(3000, frozen="text", captions=1, asked=0.0, samples=12, rounds=8)
    left = (1 - 1 / 12) ** 8
    close(found["trace"][:, 0], left)
    close((found["means"][:, 0] - text_image.start(1)[1][0]).square().sum(-1), 2 * (1 - left))


def test_rare_captions_have_fewer_images_and_narrow_sooner() -> None:
    """In a round by ``E[1 − 1/N]``, N binomial, 1 where there are none."""
    found = ends(3000, samples=40, rounds=1)
    p, counts = text_image.start(3)[0], torch.arange(1, 41)
    parts = []
    for c in range(3):
        chance = torch.from_numpy(stats.binom.pmf(range(41), 40, 0.5 * float(p[c])))
        parts.append(float(chance[0] + (chance[1:] * (1 - 1 / counts)).sum()))
        close(found["trace"][:, c], parts[-1])
    assert parts[0] > parts[1] > parts[2]


def test_together_shares_follow_their_exact_second_moments() -> None:
    """``Σp²``, ``Σw²``, ``Σpw`` with ``p⁺ ~ w`` and ``w⁺ ~ (p + w)/2``, multinomials of n draws each."""
    n, rounds = 30, 10
    found = ends(2000, samples=n, rounds=rounds)
    p = text_image.start(3)[0]
    pp = ww = pw = float((p**2).sum())
    for _ in range(rounds):
        mixed = (pp + 2 * pw + ww) / 4
        pp, ww, pw = ww + (1 - ww) / n, mixed + (1 - mixed) / n, (pw + ww) / 2
    close((found["p"] ** 2).sum(-1), pp)
    close((found["w"] ** 2).sum(-1), ww)
    close((found["p"] * found["w"]).sum(-1), pw)


def test_frozen_or_not_the_other_collapses_and_rare_captions_sooner_together() -> None:
    """By the typical variance (its mean logarithm): of the rarest less is left than of others, least together."""
    together, text = ends(), ends(frozen="text")
    log = [found["trace"].log() for found in (together, text)]
    for change in (log[0][:, 1] - log[0][:, 0], log[0][:, 2] - log[0][:, 1], log[0][:, 2] - log[1][:, 2]):
        assert float(change.mean()) < -3 * float(change.std()) / len(change) ** 0.5
    assert text["p"].unique(dim=0).shape[0] == 1 and bool((text["trace"].mean(0) < 0.8).all())


def test_what_comes_from_outside_keeps_them_alive() -> None:
    """A tenth of images: most of the variety of each caption stays; a tenth of texts: the captions do, images not."""
    alone = ends(150, rounds=60)
    images, texts = ends(150, rounds=60, images=0.1), ends(150, rounds=60, texts=0.1)
    assert (images["trace"].median(0).values > 0.5).all() and (alone["trace"].median(0).values < 0.3).all()
    assert float(spread(texts["p"]).mean()) > float(spread(alone["p"]).mean()) + 0.03
    assert (texts["trace"].median(0).values < 0.3).all()


def test_refusals() -> None:
    with pytest.raises(ValueError, match="frozen is 'text', 'image' or nothing, got 'both'"):
        text_image.scenario(frozen="both")
