"""Rewards on images against values worked out by hand, a classifier as a reward, and weighted sums of rewards."""

from __future__ import annotations

import colorsys
import copy
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ecosystem import (
    Categorical,
    Distance,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    NoPopulationLaw,
    OfPairs,
    Pairs,
    Quadratic,
    Scenario,
    Tabular,
)
from ecosystem.core.laws import Finite, Moments
from ecosystem.core.stacking import stack
from ecosystem.rewards import HueBand, Realism, Reward, WeightedSum, cool, hue_saturation, warm
from tests.drawn import covariance, normals, numbers, probabilities

_quick = settings(max_examples=30, deadline=None)

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
YELLOW, CYAN, MAGENTA = (1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0)
BLACK, GREY, WHITE = (0.0,) * 3, (0.5,) * 3, (1.0,) * 3
ORANGE = (1.0, 0.75, 0.5)  # saturation (1 − .5)/1 = 1/2, hue (.75 − .5)/(1 − .5)/6 = 1/12


def plain(colour: tuple[float, ...]) -> Tensor:
    """An image of one colour, ``[3, 4, 4]``."""
    return numbers(colour).reshape(3, 1, 1).expand(3, 4, 4)


def halves(left: tuple[float, ...], right: tuple[float, ...]) -> Tensor:
    """An image of two colours, ``[3, 4, 4]``."""
    return torch.cat([plain(left)[..., :2], plain(right)[..., :2]], -1)


def drawn(seed: int, *shape: int) -> Tensor:
    """Uniform noise in [0, 1]: saturated, and no hue on the bounds of a band."""
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# -- hue and saturation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pure_colours_are_exact(dtype: torch.dtype) -> None:
    colours = {RED: 0, YELLOW: 1, GREEN: 2, CYAN: 3, BLUE: 4, MAGENTA: 5}
    hue, saturation = hue_saturation(torch.tensor(list(colours), dtype=dtype).reshape(6, 3, 1, 1))
    assert hue.shape == saturation.shape == (6, 1, 1) and hue.dtype == dtype
    assert torch.equal(hue.flatten(), torch.arange(6, dtype=dtype) / 6) and saturation.eq(1).all()
    for colour in (BLACK, GREY, WHITE):
        hue, saturation = hue_saturation(torch.tensor(colour, dtype=dtype).reshape(3, 1, 1))
        assert hue.item() == 0 and saturation.item() == 0


@_quick
@given(pixels=st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=8))
def test_hue_and_saturation_as_the_standard_library_has_them(pixels: list[tuple[float, ...]]) -> None:
    hue, saturation = hue_saturation(numbers(pixels).T.reshape(3, 1, len(pixels)))
    assert hue.min() >= 0 and hue.max() < 1 and saturation.min() >= 0 and saturation.max() <= 1
    for i, pixel in enumerate(pixels):
        h, s, v = colorsys.rgb_to_hsv(*pixel)
        if v > 1e-300:  # below, numbers have lost their digits
            assert float(saturation[0, i]) == pytest.approx(s, abs=1e-12)
            distance = abs(float(hue[0, i]) - h) if v - min(pixel) > 1e-300 else 0.0
            assert min(distance, 1 - distance) < 1e-12


def test_a_red_with_the_faintest_blue_is_red() -> None:
    """``−1e-30 mod 6`` rounds to 6: the hue is 0 and not 1."""
    hue, _ = hue_saturation(torch.tensor([1.0, 0.0, 1e-30]).reshape(3, 1, 1))
    assert hue.item() == 0.0


def test_what_no_screen_can_show_counts_as_the_nearest_colour_and_nan_stays() -> None:
    beyond = numbers([1.5, -0.5, -2.0]).reshape(3, 1, 1)
    assert [part.item() for part in hue_saturation(beyond)] == [0.0, 1.0]
    assert HueBand(0.9, 0.1)(beyond) == 1
    assert HueBand(0.9, 0.1)(torch.full((3, 2, 2), math.nan)).isnan()


# -- a band of hues ----------------------------------------------------------------------------------------------------

WARM, COOL = HueBand(0.92, 0.17), HueBand(0.50, 0.72)


@pytest.mark.parametrize(
    ("image", "warmth", "coolness"),
    [
        (plain(RED), 1.0, 0.0),  # hue 0, saturation 1
        (plain(CYAN), 0.0, 1.0),  # hue 1/2, on the bound
        (plain(YELLOW), 1.0, 0.0),  # hue 1/6 = .1667 < .17
        (plain(MAGENTA), 0.0, 0.0),  # hue 5/6 = .8333 < .92
        (plain(GREY), 0.0, 0.0),
        (plain(BLACK), 0.0, 0.0),
        (halves(RED, CYAN), 0.5, 0.5),
        (halves(RED, BLACK), 0.5, 0.0),
        (plain(ORANGE), 0.5**1.5, 0.0),  # hue 1/12, saturation 1/2
        (halves(ORANGE, CYAN), 0.5**2.5, 0.5),
    ],
)
def test_bands_by_hand(image: Tensor, warmth: float, coolness: float) -> None:
    assert float(WARM(image)) == pytest.approx(warmth, abs=1e-15)
    assert float(COOL(image)) == pytest.approx(coolness, abs=1e-15)
    assert float(WARM(image.float())) == pytest.approx(warmth, abs=1e-7) and WARM(image.float()).dtype == torch.float64


def test_the_power_weighs_pale_colours() -> None:
    assert [float(HueBand(0.0, 0.2, power)(plain(ORANGE))) for power in (1, 2, 3)] == [0.5, 0.25, 0.125]


@_quick
@given(seed=st.integers(0, 10**6), low=st.floats(0, 1), high=st.floats(0, 1), power=st.floats(0.1, 4))
def test_bands_are_bounded_and_blind_to_flips(seed: int, low: float, high: float, power: float) -> None:
    images, band = drawn(seed, 2, 3, 4, 5), HueBand(low, high, power)
    value = band(images)
    assert value.shape == (2,) and value.min() >= 0 and value.max() <= 1
    for axes in ((-1,), (-2,), (-2, -1)):
        torch.testing.assert_close(band(images.flip(axes)), value, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(band(images.mT), value, rtol=1e-13, atol=1e-15)


@_quick
@given(seed=st.integers(0, 10**6), low=st.floats(0, 0.5), width=st.floats(0.01, 0.5))
def test_a_band_through_red_is_what_the_others_leave(seed: int, low: float, width: float) -> None:
    """``band(low, high) + band(high, low)`` is every pixel: exactly the mean saturation to the power."""
    images, high = drawn(seed, 3, 3, 4, 4), low + width
    both = HueBand(low, high)(images) + HueBand(high, low)(images)
    everything = (hue_saturation(images)[1] ** 1.5).mean((-2, -1))
    torch.testing.assert_close(both, everything, rtol=1e-13, atol=0)
    torch.testing.assert_close(HueBand(0, 1)(images), everything, rtol=1e-13, atol=0)


# -- realism -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "value"),
    [
        (plain(GREY), 0.0),
        (plain(RED), -math.sqrt(0.75)),  # means (1, 0, 0): three distances of 1/2; deviations 0
        # means 1/2; of each channel 8 of 16 pixels are 0 and 8 are 1: variance 16 · (1/4) / 15
        (halves(RED, CYAN), -math.sqrt(3 * 4 / 15)),
        (halves(RED, BLACK), -math.sqrt(0.5) - math.sqrt(4 / 15)),  # means (1/2, 0, 0), one such deviation
    ],
)
def test_realism_by_hand(image: Tensor, value: float) -> None:
    """Of a black and a white image the means are 1/2, and no image has a deviation."""
    realism = Realism.of(torch.stack([plain(BLACK), plain(WHITE)]).float(), over="images")
    assert realism.means.tolist() == [0.5, 0.5, 0.5] and realism.deviations.tolist() == [0.0, 0.0, 0.0]
    assert float(realism(image)) == pytest.approx(value, abs=1e-15)
    assert float(realism(image.float())) == pytest.approx(value, abs=1e-7)


def test_statistics_of_the_data_are_those_of_all_pixels_or_averages_over_images() -> None:
    images = drawn(0, 5, 3, 6, 7)
    pixels, averages = Realism.of(images), Realism.of(images, over="images")
    for realism in (pixels, averages):
        np.testing.assert_allclose(realism.means, images.numpy().mean((2, 3)).mean(0), rtol=1e-13)
    np.testing.assert_allclose(pixels.deviations, images.numpy().std((0, 2, 3), ddof=1), rtol=1e-13)
    np.testing.assert_allclose(averages.deviations, images.numpy().std((2, 3), ddof=1).mean(0), rtol=1e-13)
    assert torch.equal(Realism.of(Pairs(torch.arange(5), images)).means, pixels.means)
    with pytest.raises(ValueError, match="two pixels at least"):
        pixels(torch.zeros(3, 1, 1))
    with pytest.raises(ValueError, match=r"Realism.of\(over\) is 'pixels'"):
        Realism.of(images, over="channels")


def test_two_images_by_hand() -> None:
    """A black and a white image of 16 pixels: of 32 pixels 16 are 1, so the variance over all pixels is 8/31."""
    realism = Realism.of(torch.stack([plain(BLACK), plain(WHITE)]))
    assert realism.deviations.tolist() == pytest.approx([math.sqrt(8 / 31)] * 3, abs=1e-15)
    assert float(realism(plain(GREY))) == pytest.approx(-math.sqrt(3 * 8 / 31), abs=1e-15)


def test_real_images_are_more_real_than_by_pooled_deviations() -> None:
    """Images of differing brightness: the deviation over all their pixels is none that an image has."""
    images = drawn(1, 200, 3, 8, 8) * 0.3 + 0.7 * drawn(2, 200, 1, 1, 1)
    own, pooled = (Realism.of(images, over=over)(images).mean() for over in ("images", "pixels"))
    assert float(own) > float(pooled) + 0.1


@_quick
@given(seed=st.integers(0, 10**6))
def test_realism_is_at_most_zero(seed: int) -> None:
    images = drawn(seed, 4, 3, 3, 3)
    assert Realism.of(images[:2])(images).max() < 0
    assert float(Realism.of(images[:1])(images[0])) == pytest.approx(0.0, abs=1e-12)


def test_warm_and_cool_users() -> None:
    """2 for the band and 0.3 for the realism, or as printed; grey data, with channels of mean 1/2 and deviation 0."""
    data = plain(GREY).unsqueeze(0)
    x = torch.stack([plain(RED), halves(RED, CYAN), plain(GREY), plain(CYAN)])
    far, mixed = math.sqrt(0.75), math.sqrt(3 * 4 / 15)  # the second is of the deviations of an image of two halves
    for likes, band in (({}, 2.0), ({"weights": (0.3, 0.3)}, 0.3)):
        ours, theirs = warm(data, **likes), cool(data, **likes)
        both = band / 2 - 0.3 * mixed
        assert ours(x).tolist() == pytest.approx([band - 0.3 * far, both, 0.0, -0.3 * far], abs=1e-15)
        assert theirs(x).tolist() == pytest.approx([-0.3 * far, both, 0.0, band - 0.3 * far], abs=1e-15)
    likes_warm, likes_cool = warm(data), cool(data)
    assert (str(likes_warm), str(likes_cool)) == ("warm hues", "cool hues")
    assert repr(likes_warm) == (
        "WeightedSum(2 HueBand(0.92, 0.17, power = 1.5), 0.3 Realism([0.5, 0.5, 0.5], [0, 0, 0]))"
    )
    assert likes_warm.kind() == likes_cool.kind()  # members of both tastes are one tensor program


# -- a classifier as a reward ------------------------------------------------------------------------------------------


class Classifier(nn.Module):
    """The logit of each of three classes is four times the mean of a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        self.head.weight = nn.Parameter(4 * torch.eye(3), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.mean((-2, -1)))


@dataclass(frozen=True)
class LogProbability:
    """``log p(label | image)``, of pairs of label and image."""

    classifier: nn.Module

    def __call__(self, pairs: Pairs) -> Tensor:
        logs = self.classifier(pairs.outputs.float()).log_softmax(-1)
        return logs.gather(-1, pairs.inputs.unsqueeze(-1)).squeeze(-1)


def test_a_classifier_judges_whether_an_image_shows_its_label() -> None:
    reward = OfPairs(LogProbability(Classifier()))
    pairs = Pairs([0, 1, 2], torch.stack([plain(RED), plain(RED), plain(GREY)]))
    total = math.log(math.exp(4) + 2)  # red has the logits 4, 0, 0, grey 2, 2, 2
    assert reward.judge(pairs).tolist() == pytest.approx([4 - total, -total, -math.log(3)], abs=1e-6)
    nested = Pairs([[0, 1]], pairs.outputs[:2].unsqueeze(0), batch=2)
    assert reward.judge(nested).tolist() == [reward.judge(pairs[:2]).tolist()]
    assert copy.copy(reward).kind() == reward.kind()
    with pytest.raises(TypeError, match=r"judges pairs of input and output, these samples have no inputs"):
        reward.judge(pairs.outputs)


def test_a_sum_of_a_classifier_and_a_band_is_of_pairs() -> None:
    classifier = OfPairs(LogProbability(Classifier()))
    both = WeightedSum([classifier, WARM], [0.5, 2.0])
    pairs = Pairs([0, 1], torch.stack([plain(RED), plain(CYAN)]))
    assert both.of_pairs and not WeightedSum([WARM], [1.0]).of_pairs
    assert both.judge(pairs).tolist() == (0.5 * classifier(pairs).double() + 2 * WARM(pairs.outputs)).tolist()
    assert WeightedSum([WARM], [1.0]).judge(pairs).tolist() == [1.0, 0.0]
    with pytest.raises(TypeError, match="judges pairs of input and output"):
        both.judge(pairs.outputs)


# -- weighted sums -----------------------------------------------------------------------------------------------------


def nice(x: Tensor) -> Tensor:
    return x.sum(-1) > 0


def test_a_weighted_sum_of_values_and_expectations() -> None:
    parts: list[Reward] = [Linear([1.0, -2.0]), Quadratic([0.5, 1.0], 0.3), Linear([0.0, 3.0])]
    total, x = WeightedSum(parts, [0.5, -2.0, 4.0]), normals(0, 6, 2)
    by_hand = 0.5 * parts[0](x) - 2 * parts[1](x) + 4 * parts[2](x)
    torch.testing.assert_close(total(x), by_hand, rtol=1e-14, atol=1e-14)
    law = Moments(normals(1, 2), covariance(2, d=2))
    expected = 0.5 * parts[0].expect(law) - 2 * parts[1].expect(law) + 4 * parts[2].expect(law)
    torch.testing.assert_close(total.expect(law), expected, rtol=1e-14, atol=1e-14)
    assert total.event_shape() == (2,) and WeightedSum([WARM], [1.0]).event_shape() is None
    assert WeightedSum([nice, Linear([1.0, 0.0])], [2.0, 1.0])(numbers([3.0, 1.0])) == 5.0
    assert WeightedSum([nice], [0.5])(x).dtype == torch.float64
    nested = WeightedSum([WeightedSum(parts[:2], [1.0, 2.0]), parts[2]], [3.0, 1.0])
    torch.testing.assert_close(nested(x), 3 * parts[0](x) + 6 * parts[1](x) + parts[2](x), rtol=1e-14, atol=1e-14)


def test_a_sum_has_no_expectation_where_a_part_has_none() -> None:
    message = r"the expectation of the reward Distance\(\[1, 2\], weight = 1\) under a continuous law .*samples=n"
    with pytest.raises(NoPopulationLaw, match=message):
        WeightedSum([Linear([1.0, 1.0]), Distance([1.0, 2.0])], [1.0, 1.0]).expect(Location([0.0, 0.0]).law())


def is_one(x: Tensor) -> Tensor:
    return (x == 1).double()


def test_a_sum_on_symbols_is_the_table_of_the_sums() -> None:
    """Its expectations, and the whole dynamics of two members whose weights differ, in one stack."""
    sums = [WeightedSum([Tabular([0.0, 1.0, 2.0]), is_one], [w, 1.5]) for w in (1.0, -0.5)]
    tables = [Tabular([0.0, w + 1.5, 2 * w]) for w in (1.0, -0.5)]
    law = Finite(probabilities(0, 2, 3))
    torch.testing.assert_close(stack(sums).expect(law), stack(tables).expect(law), rtol=1e-14, atol=1e-14)

    def alignments(tastes: Sequence[Reward]) -> list[float]:
        s = Scenario("symbols", rounds=3)
        for name, taste in zip("ab", tastes, strict=True):
            s.add(name, Member(Categorical([0.5, 0.3, 0.2]), reward=taste, curator=Luce(3)))
            s.connect(name, name, Flow(curated=1.0))
        return s.run().rounds["alignment"].tolist()

    assert alignments(sums) == pytest.approx(alignments(tables), abs=1e-12)


# -- many tastes at once -----------------------------------------------------------------------------------------------

MAKE = {
    "band": lambda i: HueBand((0.92, 0.5, 0.1)[i % 3], (0.17, 0.72, 0.9)[i % 3], 1 + 0.1 * i),
    "realism": lambda i: Realism(drawn(i, 3), drawn(i + 1, 3)),
    "warm or cool": lambda i: (warm, cool)[i % 2](drawn(i, 4, 3, 2, 2)),
    "sum": lambda i: WeightedSum((HueBand(0.1 * i, 0.5), Realism(drawn(i, 3), drawn(i, 3)), mean), (i, 1.0, -0.5 * i)),
}


def mean(x: Tensor) -> Tensor:
    return x.mean((-3, -2, -1))


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stacked_tastes_judge_their_own_images(name: str, dtype: torch.dtype) -> None:
    """``[members]`` and ``[members, replicates]`` of rewards give what each gives alone."""
    rewards: list[Reward] = [MAKE[name](i) for i in range(6)]
    assert len({reward.kind() for reward in rewards}) == 1
    x = drawn(9, 6, 5, 3, 4, 4).to(dtype)
    flat = stack(rewards)(x)
    assert flat.shape == (6, 5) and flat.dtype == torch.float64
    nested = stack([stack(rewards[:3]), stack(rewards[3:])])(x.reshape(2, 3, 5, 3, 4, 4))
    assert nested.shape == (2, 3, 5)
    for i, reward in enumerate(rewards):
        torch.testing.assert_close(flat[i], reward(x[i]), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(nested.flatten(0, 1)[i], reward(x[i]), rtol=1e-13, atol=1e-13)
    picked = stack(rewards).take(torch.tensor([4, 1]))(x[:2, 0])
    torch.testing.assert_close(picked, torch.stack([rewards[4](x[0, 0]), rewards[1](x[1, 0])]), rtol=1e-13, atol=1e-13)


# -- refusals ----------------------------------------------------------------------------------------------------------

IMAGE = torch.zeros(2, 3, 4, 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: HueBand(360, 0.1), ValueError, "HueBand(low) must be a hue from 0 to 1, got 360; divide degrees"),
        (lambda: HueBand(0.1, -0.1), ValueError, "HueBand(high) must be a hue from 0 to 1, got -0.1"),
        (lambda: HueBand(0.1, 0.2, 0), ValueError, "HueBand(power) must be positive, got 0"),
        (lambda: HueBand([0.1, 0.2], 0.2), ValueError, "HueBand(low) must be one number, got [0.1, 0.2]"),
        (lambda: HueBand(math.nan, 0.2), ValueError, "HueBand(low) must be finite"),
        (lambda: WARM(IMAGE.byte()), TypeError, "images must have float colours in [0, 1], got torch.uint8"),
        (lambda: WARM(IMAGE[:, :1]), ValueError, "images must be [..., 3, height, width], got shape (2, 1, 4, 4)"),
        (lambda: WARM(IMAGE[0, 0]), ValueError, "images must be [..., 3, height, width], got shape (4, 4)"),
        (lambda: Realism([0.5], [0.5])(IMAGE), ValueError, "images must be [..., 1, height, width], got shape (2, 3"),
        (lambda: Realism([0.5], [0.5, 0.1]), ValueError, "one number for each channel, got shapes (1,) and (2,)"),
        (lambda: Realism([0.5], [-0.5]), ValueError, "Realism(deviations) must be at least 0, got [-0.5]"),
        (lambda: Realism.of(IMAGE[0]), ValueError, "needs images [n, channels, height, width], at least one, got (3,"),
        (lambda: Realism.of(IMAGE[:0]), ValueError, "at least one, got (0, 3, 4, 4)"),
        (lambda: Realism.of(IMAGE + 255), ValueError, "needs colours in [0, 1], got 255 to 255; rescale"),
        (lambda: Realism.of(IMAGE - 1), ValueError, "needs colours in [0, 1], got -1 to -1; rescale"),
        (lambda: Realism.of(IMAGE * math.nan), ValueError, "needs colours in [0, 1], got nan to nan"),
        (lambda: WeightedSum([WARM], [1.0, 2.0]), ValueError, "got 1 rewards and weights of shape (2,)"),
        (lambda: WeightedSum([], []), ValueError, "at least one, got 0 rewards"),
        (lambda: WeightedSum([WARM], [math.inf]), ValueError, "WeightedSum(weights) must be finite"),
        (lambda: WeightedSum(["warm"], [1.0]), TypeError, "a reward is a callable"),
        (
            lambda: WeightedSum([Linear([1.0]), Linear([1.0, 2.0])], [1.0, 1.0]),
            ValueError,
            "different shapes, ['(1,)', '(2,)']; give it rewards of one shape",
        ),
    ],
)
def test_refusals(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make()
