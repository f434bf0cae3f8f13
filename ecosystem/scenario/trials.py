"""What rewards and transforms make of a few samples, tried before a round is played."""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.check import method, one_line, real_tensor, returned, users_code
from ecosystem.core.samples import Pairs, Samples, folded, outputs
from ecosystem.core.stacking import stack
from ecosystem.core.streams import Stream
from ecosystem.generators import ConditionalModel, GenerativeModel
from ecosystem.generators.base import asked, spoken
from ecosystem.generators.training import speaking
from ecosystem.rewards import Reward
from ecosystem.rewards.base import one_each
from ecosystem.scenario.descriptions import Flow, Member

_PROBES = 3
_ROUNDING = 0.01  # a network of few digits may round otherwise in another batch


def probe(generator: GenerativeModel, prompts: Tensor | None = None) -> Samples:
    """A few samples to try rewards and transforms on; a conditional model answers some ``prompts``."""
    rng = Stream.root([(0, 0)])[0].at("probe")
    verb = "sample(n, rng)"
    what = f"sampling from {type(generator).__name__}"
    asks = prompts is not None and isinstance(generator, ConditionalModel)
    method(generator, *(("respond", "inputs", "rng") if asks else ("sample", "n", "rng")))
    with speaking(generator, rng), users_code(what):
        if prompts is not None and isinstance(generator, ConditionalModel):
            verb, inputs = "respond(inputs, rng)", asked(prompts, _PROBES, rng)
            x: Samples = Pairs(inputs, generator.respond(inputs, rng))
        else:
            x = generator.sample(_PROBES, rng)
    return spoken(generator, x, _PROBES, verb)


def check_reward(reward: Reward, x: Samples, what: str) -> None:
    declared = reward.event_shape()
    if declared is not None and declared != tuple(x.shape[1:]):
        raise ValueError(
            f"{what} fails on samples of shape {tuple(x.shape)}: {reward} judges samples of shape {declared}; "
            f"a reward takes [..., {', '.join(map(str, x.shape[1:]))}] and returns [...]"
        )
    mend = f"a reward takes [..., {', '.join(map(str, x.shape[1:]))}] and returns [...]"
    try:
        value = reward.judge(x)
        if real_tensor(value) and value.shape == x.shape[:1]:
            # as a round does: another number of samples, several members at once
            few = one_each(reward, reward.judge(x[:2]), x[:2])
            grid = stack([reward]).map(lambda t: t.reshape(1, 1, *t.shape))
            again = grid.judge(folded(x, 1, 1, 1, len(x)), 4).reshape(x.shape[:1])
            if _alike(value, again) and not _alike(value[:2], few, value):
                raise ValueError(
                    f"{reward} gives samples another number beside others; let it look at each by itself, for how many "
                    "it is shown at once is nobody's to say"
                )
    except Exception as error:
        said = one_line(error.__cause__ or error)
        raise ValueError(f"{what} fails on samples of shape {tuple(x.shape)}: {said}; {mend}") from error
    symbols = x.ndim == 1 and not x.dtype.is_floating_point
    if real_tensor(value) and symbols and not bool(torch.isfinite(value).all()):
        bad = outputs(x)[~torch.isfinite(value)].tolist()
        raise ValueError(f"{what} is NaN or infinite for the symbols {bad}; let it return finite numbers")
    if not real_tensor(value) or value.shape != x.shape[:1]:
        raise ValueError(f"{what} returns {returned(value)} for samples of shape {tuple(x.shape)}; {mend}")


def _alike(one: Tensor, other: Tensor, among: Tensor | None = None) -> bool:
    """Whether numbers are the same but for rounding, beside how large they are ``among`` others."""
    size = (one if among is None else among).double().abs().amax() if len(one) else 0.0
    close = (one.double() - other.double()).abs() <= (_ROUNDING * size if one.dtype.is_floating_point else 0)
    return bool((close | ~torch.isfinite(one)).all())


def examples(producer: Member) -> Samples:
    """A few samples of a producer; where it makes symbols, all of them."""
    symbols = producer.generator.symbols
    return probe(producer.generator, producer.prompts) if symbols is None else torch.arange(symbols)


def check_arrivals(reward: Reward, flow: Flow, producer: Member, consumer: Member, where: str) -> None:
    """The consumer's users judge what arrives, which may be of another type than what the consumer makes."""
    if flow.transform is None and producer.generator.draw_type == consumer.generator.draw_type:
        return
    check_reward(reward, arrived(flow, producer, where), f"the reward of the users of {where}")


def arrived(flow: Flow, producer: Member, where: str) -> Samples:
    """A few samples of a producer as its consumer gets them."""
    x = examples(producer)
    linear = None if flow.transform is None else flow.transform.linear()
    if linear is not None:
        return outputs(x).to(linear[0]) @ linear[0].mT + linear[1]
    return x if flow.transform is None else transformed(flow, x, where)


def transformed(flow: Flow, x: Samples, where: str) -> Samples:
    """A few samples after the transform, which must treat each by itself: nobody says how many come at once."""
    assert flow.transform is not None
    try:
        y = flow.transform(x)
        few = flow.transform(x[:2])
        if not _alike(outputs(y)[:2], outputs(few), outputs(y)) and _alike(outputs(y), outputs(flow.transform(x))):
            raise ValueError("it makes another of a sample beside others; let it look at each by itself")
    except Exception as error:
        said = one_line(error.__cause__ or error)
        raise ValueError(
            f"{where}: the transform {flow.transform} fails on samples of shape {tuple(x.shape)}: {said}"
        ) from error
    return y
