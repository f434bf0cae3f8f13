"""Conditional families: a table of categoricals or of Gaussians by input, asked by others, and their laws.

Statistical tests have fixed seeds; a bound of four standard errors holds for a correct program with 99.99 %.
"""

from __future__ import annotations

import pytest
import torch

from ecosystem import (
    Asking,
    Categorical,
    ConditionalCategorical,
    ConditionalGaussian,
    Ecosystem,
    Flow,
    InputOf,
    Linear,
    Location,
    Luce,
    Member,
    NoPopulationLaw,
    OfInput,
    Scenario,
    Stream,
    Tabular,
    Tilt,
)
from ecosystem.core.labelled import Labelled
from ecosystem.core.laws import Moments
from ecosystem.core.stacking import stack
from ecosystem.influence import influence, stable_point
from tests.drawn import covariance, normals, numbers, probabilities
from tests.far import far

RNG = Stream.root([(0, 0)])[0]


def table(seed: int = 0, inputs: int = 3, learns: bool = True) -> ConditionalGaussian:
    covariances = torch.stack([covariance(seed + c, d=2) for c in range(inputs)])
    return ConditionalGaussian(probabilities(seed, inputs), normals(seed, inputs, 2), covariances, learns=learns)


def words(seed: int = 0, learns: bool = True) -> ConditionalCategorical:
    rows = torch.stack([probabilities(seed + 10 + i, 2) for i in range(3)])
    return ConditionalCategorical(probabilities(seed, 3), rows, learns=learns)


# -- the families ---------------------------------------------------------------------------------------------------


def test_samples_of_a_table_are_those_of_each_input() -> None:
    """Frequencies, means and covariances by input of 60,000 rows, within five standard errors; and of the whole."""
    model, n = table(3), 60_000
    x, law = model.sample(n, RNG), model.law()
    for c in range(3):
        mine = x[x[:, 0] == c, 1:]
        p, size = model.inputs[c], len(mine)
        assert abs(size / n - float(p)) < 5 * float(p * (1 - p) / n) ** 0.5
        assert ((mine.mean(0) - model.means[c]).abs() < 5 * mine.std(0) / size**0.5).all()
        assert torch.allclose(mine.T.cov(), model.covariances[c], atol=5 * float(mine.var(0).max()) * (2 / size) ** 0.5)
    products = (x - law.mean).unsqueeze(-1) * (x - law.mean).unsqueeze(-2)
    assert ((products.mean(0) - law.covariance).abs() < 5 * products.std(0) / n**0.5).all()
    noise = model.noise(5, RNG)
    assert torch.equal(law.push(noise), model.sample(5, RNG))


@pytest.mark.parametrize("make", [table, words])
def test_a_batch_is_each_alone_and_a_fit_of_its_own_law_is_itself(make) -> None:
    models = [make(seed) for seed in range(4)]
    many, noise, index = stack(models), models[0].noise(6, RNG), torch.tensor([3, 0, 0, 2, 1, 3])
    rows = many.push_from(noise, index)
    for i, member in enumerate(index.tolist()):
        assert torch.equal(rows[i], models[member].push_from(noise[i : i + 1], torch.tensor([0]))[0])
    fitted = many.refit(many.statistic_of(many.law()))
    for name, value in many.tensors().items():
        torch.testing.assert_close(fitted.tensors()[name], value, rtol=1e-12, atol=1e-12)
    data = torch.stack([model.sample(7, RNG) for model in models])
    for i, model in enumerate(models):
        torch.testing.assert_close(many.statistic(data)[i], model.statistic(data[i]))


def test_a_fit_is_maximum_likelihood_by_input_and_inputs_alone_say_what_is_asked() -> None:
    model = table(1)
    rows = torch.cat([model.sample(50, RNG), Asking(2)(torch.tensor([2, 2, 0, 2]))])
    new = model.refit(model.statistic(rows))
    torch.testing.assert_close(new.inputs, torch.bincount(rows[:, 0].long(), minlength=3).double() / 54)
    for c in range(3):
        mine = rows[:50][rows[:50, 0] == c, 1:]
        torch.testing.assert_close(new.means[c], mine.mean(0))
        torch.testing.assert_close(new.covariances[c], mine.T.cov(correction=0))
    asked = model.refit(model.statistic(rows[50:]))
    assert asked.inputs.tolist() == [0.25, 0.0, 0.75]
    assert torch.equal(asked.means, model.means) and torch.allclose(asked.covariances, model.covariances)
    still = table(1, learns=False).refit(model.statistic(rows))
    assert torch.equal(still.inputs, new.inputs) and torch.equal(still.covariances, model.covariances)


@pytest.mark.parametrize("batch", [(), (4,)])
def test_used_directly_a_fit_to_what_is_far_away_keeps_its_variance(batch: tuple[int, ...]) -> None:
    """Moments were about 0, and the variance of 1 at 1e8 was lost; so was that of an input that nobody asked."""
    far = torch.tensor([1e8, -3e9, 2.0]).double().reshape(3, 1)
    known = torch.tensor([[[0.5]], [[1.0]], [[2.0]]]).double()
    model = ConditionalGaussian([0.25, 0.25, 0.5], far, known).map(lambda t: t.expand(*batch, *t.shape))
    label = torch.tensor([0, 2]).repeat_interleave(30)
    x = torch.stack([normals(i, 1, 60, 1)[0] for i in range(4)]) + far[label]
    data = torch.cat([label.double().reshape(60, 1).expand(4, 60, 1), x], -1)
    model.fit(data if batch else data[0])
    for i in range(4 if batch else 1):
        mine = model.take(i) if batch else model
        for c, rows in ((0, slice(0, 30)), (2, slice(30, 60))):
            torch.testing.assert_close(
                mine.covariances[c], x[i, rows].T.cov(correction=0).reshape(1, 1), rtol=1e-6, atol=0
            )
            torch.testing.assert_close(mine.means[c], x[i, rows].mean(0))
        assert mine.means[1].item() == -3e9 and mine.covariances[1].item() == pytest.approx(1.0, rel=1e-9)
        assert mine.inputs.tolist() == [0.5, 0.0, 0.5]


def test_frequencies_by_input_of_symbols() -> None:
    """Pairs ``i·2 + j``, and inputs alone, 6 + i."""
    model = words()
    new = model.refit(model.statistic(torch.tensor([0, 1, 1, 1, 2, 6, 8, 8])))
    assert new.inputs.tolist() == [5 / 8, 1 / 8, 2 / 8]
    assert new.outputs[:2].tolist() == [[0.25, 0.75], [1.0, 0.0]] and torch.equal(new.outputs[2], model.outputs[2])
    assert torch.equal(words(learns=False).refit(model.statistic(torch.tensor([0, 2]))).outputs, model.outputs)


# -- in a network ---------------------------------------------------------------------------------------------------


def exchange(samples: int | None = None, rounds: int = 3) -> Scenario:
    """A text model that asks two image models, one of which also answers itself; captions chosen by what they are."""
    s = Scenario("exchange", rounds=rounds, samples=samples)
    fond = OfInput([0.0, 0.5, 1.0])
    s.add(
        "text", Member(Categorical([0.5, 0.3, 0.2]), reward=Tabular([0.0, 0.7, 0.2]), real=Categorical([0.6, 0.2, 0.2]))
    )
    s.add("image", Member(table(1), reward=fond, curator=Luce(3), real=table(2)))
    s.add("reader", Member(table(4), reward=Linear([0.0, 1.0, -0.5]), real=table(5)))
    s.connect("image", "text", Flow(raw=0.3, curated=0.2, transform=InputOf()))
    s.connect("text", "image", Flow(raw=0.4, transform=Asking(2)))
    s.connect("image", "image", Flow(raw=0.1, curated=0.2))
    s.connect("image", "reader", Flow(raw=0.2, curated=0.4))
    return s


def test_samples_keep_to_the_population() -> None:
    """Means of 60 replicates of 600 rows after three rounds within four standard errors and a bias of 1/n."""
    exact, seen = exchange().run().parameters, exchange(600).run(seed=3, replicates=60).parameters
    for name, parts in exact.items():
        for key, value in parts.items():
            off = (seen[name][key].mean(0) - value.reshape(seen[name][key].shape[1:])).abs()
            assert (off < 4 * seen[name][key].std(0) / 60**0.5 + 40 / 600).all(), (name, key)


def test_influence_goes_through_tables() -> None:
    """Central differences through the stable point, to 1e-6 of the largest: from the choice of captions to images."""
    s, step = exchange(), 1e-5
    matrix = influence(s).matrix
    for name in ("text", "image"):
        level = s.curation(name)
        ends = [stable_point(s.with_curation(name, level + way)).alignment for way in (step, -step)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert (matrix[name] - slope[matrix.index]).abs().max() < 1e-6 * matrix.abs().to_numpy().max()
    assert abs(matrix.loc["reader", "image"]) > 1e-3  # what readers see hangs on the captions that the others choose


def classify(rounds: int = 1, samples: int | None = None) -> Scenario:
    """A table of words by input, asked by a writer, whose answers somebody else learns; users choose pairs."""
    s = Scenario("classify", rounds=rounds, samples=samples)
    fond = Tabular([0.0, 1.0, 0.3, 0.0, 0.9, 0.2, 0.0, 0.0, 0.0])
    s.add(
        "writer",
        Member(
            Categorical([0.5, 0.3, 0.2]), reward=Tabular([0.0, 1.0, 2.0]), curator=Tilt(), real=Categorical([1, 0, 0])
        ),
    )
    s.add("model", Member(words(), reward=fond, curator=Luce(2), real=words(5)))
    s.add("labels", Member(Categorical([0.5, 0.5]), reward=Tabular([0.0, 1.0])))
    s.connect("writer", "writer", Flow(raw=0.3, curated=0.3))
    s.connect("writer", "model", Flow(raw=0.3, transform=lambda c: 6 + c))
    s.connect("model", "model", Flow(raw=0.2, curated=0.2))
    s.connect("model", "labels", Flow(raw=1.0, transform=lambda pair: pair % 2))
    return s


def test_influence_goes_through_words() -> None:
    s, step = classify(), 1e-5
    matrix = influence(s).matrix
    for name in ("writer", "model"):
        level = s.curation(name)
        ends = [stable_point(s.with_curation(name, level + way)).alignment for way in (step, -step)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert (matrix[name] - slope[matrix.index]).abs().max() < 1e-6 * matrix.abs().to_numpy().max()
    assert abs(matrix.loc["labels", "writer"]) > 1e-3


def test_an_ecosystem_of_tables_comes_back_from_a_checkpoint(tmp_path) -> None:
    s = exchange(50, rounds=4)
    whole, half = Ecosystem(s, seeds=[0, 1]), Ecosystem(s, seeds=[0, 1])
    whole.run()
    half.step()
    half.step()
    half.save(tmp_path / "half")
    again = Ecosystem(s, seeds=[0, 1])
    again.restore(tmp_path / "half")
    again.run()
    assert whole.result().rounds.equals(again.result().rounds)


# -- what is not known is refused -----------------------------------------------------------------------------------


def test_what_has_no_law_is_refused_by_name() -> None:
    model = table()
    with pytest.raises(
        NoPopulationLaw, match=r"Luce.* with the reward Linear.* on a Labelled law has no population law"
    ):
        model.law().select(Linear([0.0, 1.0, 0.0]), Luce(2))  # type: ignore[arg-type]
    with pytest.raises(NoPopulationLaw, match="the fit of ConditionalGaussian to a law that has no output by each"):
        model.statistic_of(Location([0.0, 0.0, 0.0]).law())
    with pytest.raises(NoPopulationLaw, match="the fit of ConditionalGaussian"):
        model.statistic_of(table(0, inputs=2).law())
    with pytest.raises(NoPopulationLaw, match=r"InputOf\(\) on a law that does not tell inputs"):
        InputOf().law(Location([0.0]).law())
    with pytest.raises(NoPopulationLaw, match=r"OfInput.* under a law that does not tell inputs"):
        OfInput([0.0, 1.0]).expect(Location([0.0, 0.0]).law())
    with pytest.raises(NoPopulationLaw, match="a law of inputs without outputs"):
        Labelled(numbers([0.5, 0.5])).push(torch.zeros(2))
    with pytest.raises(TypeError, match="learns from symbols, this flow carries vectors"):
        words().statistic_of(Location([0.0]).law())
    with pytest.raises(TypeError, match="Asking makes inputs of symbols, this flow carries vectors"):
        Asking(1).law(Location([0.0]).law())
    rows = Scenario("rows", rounds=1)
    rows.add("a", Member(model, real=model.sample(30, RNG)))
    with pytest.raises(NoPopulationLaw, match="the fit of ConditionalGaussian"):
        rows.run()
    assert isinstance(model.law().shift(torch.ones(3)), Moments)  # its rows moved: no inputs any more


def test_a_taste_of_ones_own_that_looks_further_keeps_no_law() -> None:
    """A subclass that judges in another way does not inherit that it looks at inputs alone."""

    class Bright(OfInput):
        def __call__(self, x):
            return super().__call__(x) + x[..., 1]

    assert not Bright.of_inputs
    with pytest.raises(NoPopulationLaw):
        table().law().select(Bright([0.0, 1.0, 0.0]), Luce(2))  # type: ignore[arg-type]

    model = table()

    class Loud(ConditionalGaussian):
        def push_from(self, noise, index):
            return super().push_from(2 * noise.clamp(max=0.4), index)

    with pytest.raises(NoPopulationLaw, match="Loud has no population law"):
        Loud(model.inputs, model.means, model.covariances).law()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConditionalGaussian([0.5, 0.6], [[0.0], [0.0]], [[[1.0]]] * 2), r"inputs\) must be .* add up to 1"),
        (lambda: ConditionalGaussian([1.0], [[0.0], [0.0]], [[[1.0]]] * 2), "a row for each of 1 inputs, got 2"),
        (
            lambda: ConditionalGaussian([1.0], [[0.0]], [[[1.0, 0.0]]]),
            r"must have shape \(1, 1, 1\) .* got \(1, 1, 2\)",
        ),
        (lambda: ConditionalGaussian([1.0], [[0.0]], [[[0.0]]]), r"covariances\)\[0\] is singular"),
        (lambda: ConditionalCategorical([1.0], [[0.5, 0.6]]), r"outputs\) must be at least 0 and add up to 1"),
        (lambda: ConditionalCategorical([1.0], [[1.0], [1.0]]), "a row for each of 1 inputs, got 2"),
        (lambda: ConditionalCategorical([1.0], [[1.0]], "no"), r"ConditionalCategorical\(learns\)"),  # type: ignore
        (lambda: table().statistic(torch.tensor([[3.0, 0.0, 0.0]])), r"must be symbols 0\.\.2"),
        (lambda: table().statistic(torch.tensor([[1.5, 0.0, 0.0]])), "is its input, a whole number, and here it is"),
        (lambda: InputOf()(torch.tensor([[1.5, 0.0]])), "is its input, a whole number, and here it is"),
        (lambda: OfInput([1.0]).expect(table().law()), r"OfInput\(\[1\]\) has 1 values for 3 inputs"),
        (lambda: table().law().select(OfInput([1.0]), Luce(2)), "has 1 values for 3 inputs"),  # type: ignore
        (
            lambda: Scenario("a", rounds=1).add("a", Member(table(), real=torch.tensor([[4.0, 0.0, 0.0]]))),
            r"the real data of 'a': the first numbers of rows .* must be symbols 0\.\.2",
        ),
    ],
)
def test_refusals(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_tables_live_on_a_device_and_in_float32() -> None:
    for s in (exchange(40), exchange()):
        here = s.run().parameters
        for there in (s.run(device=far()), s.run(dtype=torch.float32)):
            for name, parts in here.items():
                for key, value in parts.items():
                    assert torch.allclose(there.parameters[name][key].double(), value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("place", [0.0, 1e3, 1e6])
def test_variances_far_from_the_origin_keep_their_digits(place: float) -> None:
    """Moments were taken about 0: a variance of 1e-4 at 1e6 came out as 1.22e-4."""
    model = ConditionalGaussian([0.6, 0.4], [[place], [-place]], [[[1e-4]], [[4e-4]]], floor=1e-12)
    s = Scenario("far", rounds=3)
    s.add("m", Member(model, reward=OfInput([0.0, 1.0]), real=model))
    s.connect("m", "m", Flow(raw=0.7))
    end = s.run().parameters["m"]
    assert end["covariances"].flatten().tolist() == pytest.approx([1e-4, 4e-4], rel=1e-10)
    assert end["means"].flatten().tolist() == pytest.approx([place, -place], rel=1e-12, abs=1e-12)
    there = s.replace(samples=2000).run(seed=1).parameters["m"]["covariances"].flatten()
    near = Scenario("near", rounds=3, samples=2000)
    home = ConditionalGaussian([0.6, 0.4], [[0.0], [0.0]], [[[1e-4]], [[4e-4]]], floor=1e-12)
    near.add("m", Member(home, reward=OfInput([0.0, 1.0]), real=home))
    near.connect("m", "m", Flow(raw=0.7))
    same = near.run(seed=1).parameters["m"]["covariances"].flatten()
    torch.testing.assert_close(there, same, rtol=1e-5, atol=0)
