"""Does a model that learns what users prefer go elsewhere than one that imitates what they keep?

Two language models speak about the weather, in short and in long sentences; their users are shown two answers to a
prompt and keep one, rather the longer. ``Preferences(Luce(2))`` lets the answer that was not kept travel beside the one
that was. ``imitator`` is an ordinary ``LanguageModel``, fine-tuned on what was kept: the loop that the theory of
curated self-consumption describes. ``optimiser`` is trained by direct preference optimisation (Rafailov et al. 2023,
arXiv 2305.18290, eq. 7): with ``y`` kept, ``y'`` rejected, and ``π₀`` the model before this retraining,

    loss = −E log σ(β [log π(y|x)/π₀(y|x) − log π(y'|x)/π₀(y'|x)]).

What comes out (three replicates): from 3.6 words an answer the imitator comes to 5 in four rounds, and stays below the
6.25 of the long sentences, as short answers that are kept now and then are repeated. The optimiser is there after one
round and comes to 5.6, 6.8 and 7.0: past anything that it was ever taught, since nothing in its loss holds it to that.

    ecosystem run scenarios/preferences_tiny.py --out runs/preferences_tiny

Takes half a minute; needs mesacosm[language].
"""

import copy
from functools import cache, partial

import torch
from torch import Tensor, nn

from ecosystem import Flow, Luce, Member, Pairs, Preferences, Scenario, Stream, Training
from ecosystem.core.samples import split
from ecosystem.generators.language import Base, LanguageModel, tiny_base
from ecosystem.rewards import TextReward

SAYS = {
    "rain": ("rain", "soft rain sings on the roof"),
    "snow": ("snow today", "snow lies white on the hill"),
    "wind": ("some wind", "a wind runs over the grass"),
    "sun": ("sun", "the sun climbs out of the sea"),
}


class Optimiser(LanguageModel):
    """A language model that is trained on preferences, ``pairs.rejected``; what nobody compared moves nothing."""

    beta: float = 0.5
    before: tuple[LanguageModel, ...] = ()  # a tuple: no part of its own parameters

    def fit(self, data: Pairs, rng: Stream) -> float | None:
        self.before = (copy.deepcopy(self).requires_grad_(False),)
        loss = super().fit(data, rng)
        del self.before
        return loss

    def loss(self, batch: Pairs, rng: Stream) -> Tensor:
        return -nn.functional.logsigmoid(self.beta * (margin(self, batch) - margin(self.before[0], batch))).mean()


def margin(model: LanguageModel, pairs: Pairs) -> Tensor:
    """``log π(y|x) − log π(y'|x)`` of what was kept and what was rejected, ``[n]``."""
    kept, rejected = split(pairs)
    return model.log_probabilities(kept) - model.log_probabilities(rejected)


def scenario(
    rounds: int = 4,
    samples: int = 64,
    steps: int = 20,
    warm_up: int = 150,
    beta: float = 0.5,
    lr: float = 1e-3,
    temperature: float = 0.5,
    seed: int = 0,
) -> Scenario:
    """``steps`` of training a round; ``temperature`` is that of the users' choice, in words."""
    s = Scenario("preferences_tiny", rounds=rounds, samples=samples)
    base = tiny_base([text for prompt, says in SAYS.items() for text in (prompt, *says)], seed, tokens=400)
    for name, kind in (("imitator", LanguageModel), ("optimiser", Optimiser)):
        model = speaker(kind, base, Training(steps, 32, partial(torch.optim.AdamW, lr=lr)))
        model.load_state_dict(taught(base, warm_up))
        model.prompts = model.codec.prompts(list(SAYS))
        if isinstance(model, Optimiser):
            model.beta = beta
        reward = TextReward(many_words, model.codec.texts)
        s.add(name, Member(model, reward=reward, curator=Preferences(Luce(2, temperature))))
        s.connect(name, name, Flow(curated=1.0))
    return s


def many_words(prompt: str, answer: str) -> float:
    return float(len(answer.split()))


def speaker(kind: type[LanguageModel], base: Base, plan: Training) -> LanguageModel:
    form = {"rank": 4, "alpha": 8, "target_modules": "all-linear", "dropout": 0.0, "sampling_batch": 256}
    return kind(base, prompt_length=2, answer_length=10, top_p=0.9, training_plan=plan, **form)  # type: ignore[arg-type]


@cache
def taught(base: Base, steps: int) -> dict[str, Tensor]:
    """The weights of a model that says one sentence or the other, as often."""
    model = speaker(LanguageModel, base, Training(steps, 16, partial(torch.optim.AdamW, lr=5e-3)))
    said = [(prompt, answer) for prompt, answers in SAYS.items() for answer in answers]
    model.fit(model.codec.pairs(*map(list, zip(*said, strict=True))), Stream.root([(0, 0)])[0])
    return model.state_dict()
