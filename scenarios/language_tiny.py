"""What becomes of two language models that train on each other's sentences? Small enough for any machine.

Herald and Poet say a few words about the weather. Both are LoRA adapters on one and the same frozen network, a random
GPT-2 of 135,000 parameters, and have learnt their sentences by heart; Herald's are short, Poet's long, and so are their
users' tastes: reward is minus or plus the number of words. In every round each trains on real sentences, and on answers
of the other's to the same prompts, of four the one that the other's users like best.

``chosen`` are those of the two whose users choose what the other reads of it; ``rank=None`` trains every weight instead
of an adapter: `analysis/finetuning.py` asks whether that makes a difference to who harms whom.

What comes out: each loses what its own users like. Herald grows wordy (from 1.6 words an answer to 3) and Poet terse
(from 6 to 3); with ``cross=0`` each learns from its own answers instead, and both stay as they were.

    ecosystem run scenarios/language_tiny.py --out runs/language_tiny

Takes twenty seconds; needs mesacosm[language].
"""

from functools import cache, partial

import torch
from torch import Tensor

from ecosystem import BestOf, Flow, Member, Pairs, Scenario, Stream, Training
from ecosystem.generators.language import Base, LanguageModel, tiny_base
from ecosystem.rewards import TextReward

SAYS = {
    "Herald": {"rain": "rain", "snow": "snow today", "wind": "some wind", "sun": "sun"},
    "Poet": {
        "rain": "soft rain sings on the roof",
        "snow": "snow lies white on the hill",
        "wind": "a wind runs over the grass",
        "sun": "the sun climbs out of the sea",
    },
}
FAST, SLOW = partial(torch.optim.AdamW, lr=5e-3), partial(torch.optim.AdamW, lr=1e-3)  # adapters, all weights


def scenario(
    rounds: int = 4,
    samples: int = 32,
    steps: int = 15,
    warm_up: int = 150,
    real: float = 0.3,
    cross: float = 0.7,
    candidates: int = 4,
    chosen: tuple[str, ...] = ("Herald", "Poet"),
    rank: int | None = 4,
    seed: int = 0,
    device: str = "cpu",
) -> Scenario:
    """``steps`` of training a round on shares ``real`` and ``cross``; the rest of a diet is a member's own output."""
    s = Scenario("language_tiny", rounds=rounds, samples=samples)
    base = tiny_base(sentences(), seed, tokens=400)
    for name, words in SAYS.items():
        model = speaker(base, steps, device, rank)
        model.load_state_dict(taught(base, name, warm_up, rank))
        reward = TextReward(few_words if name == "Herald" else many_words, model.codec.texts)
        s.add(name, Member(model, reward=reward, curator=BestOf(candidates), real=pairs(model, words)))
    own = 1 - real - cross
    for name, other in (("Herald", "Poet"), ("Poet", "Herald")):
        if cross:
            s.connect(other, name, Flow(curated=cross) if other in chosen else Flow(raw=cross))
        if own > 1e-9:
            s.connect(name, name, Flow(curated=own))
    return s


def few_words(prompt: str, answer: str) -> float:
    return -float(len(answer.split()))


def many_words(prompt: str, answer: str) -> float:
    return float(len(answer.split()))


def speaker(base: Base, steps: int, device: str = "cpu", rank: int | None = 4) -> LanguageModel:
    plan = Training(steps, 16, FAST if rank else SLOW, keep_optimizer=True)
    return LanguageModel(
        base,
        prompt_length=2,
        answer_length=10,
        rank=rank,
        alpha=8,
        target_modules="all-linear",
        top_p=0.9,
        sampling_batch=256,
        training_plan=plan,
        device=device,
    )


@cache
def taught(base: Base, name: str, steps: int, rank: int | None = 4) -> dict[str, Tensor]:
    """The weights of a member that has learnt its sentences by heart."""
    model = speaker(base, steps, rank=rank)
    model.fit(pairs(model, SAYS[name]), Stream.root([(0, 0)])[0].at(name))
    return model.state_dict()


def pairs(model: LanguageModel, words: dict[str, str]) -> Pairs:
    return model.codec.pairs(list(words), list(words.values()))


def sentences() -> list[str]:
    return [text for words in SAYS.values() for pair in words.items() for text in pair]
