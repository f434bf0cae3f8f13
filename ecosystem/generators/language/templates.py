"""What stands around a prompt: a tokenizer's chat template, cut in two, and the same on every day."""

from __future__ import annotations

import re
import warnings
from datetime import date
from typing import Any

from ecosystem.core.check import one_line

DAY = date(2024, 7, 26)  # what templates print that ask for the date (the day that Llama 3's falls back on)
_MARK, _DATE, _END = (
    "\ue000",
    "\ue001",
    "\ue002",
)  # stand for the prompt and around a date; no text has these characters
_FROZEN = f"{{%- macro strftime_now(format) -%}}{_DATE}{{{{ format }}}}{_END}{{%- endmacro -%}}"
_PROMPTS = (_MARK, f"It's Ab {_MARK} c.")  # a second one: templates may change letters, or tell prompts apart
_TRIES = 16


def around(tokenizer: Any, who: str) -> tuple[str, str]:
    """The text before and after a prompt: of the chat template, or ``<start>prompt`` and a new line without one.

    A template that prints the date prints that of 26 July 2024, and a warning says so.

    Raises
    ------
    ValueError
        If the template does not print a prompt once and as it is, fails, or prints something else each time.
    """
    if tokenizer.chat_template is None:
        return tokenizer.bos_token or tokenizer.eos_token, "\n"
    texts = [_printed(tokenizer, prompt, who) for prompt in _PROMPTS]
    parts = texts[0].split(_MARK)
    if len(parts) != 2:
        raise _refused(who, "leaves the prompt out" if len(parts) == 1 else f"prints a prompt {len(parts) - 1} times")
    if any(_printed(tokenizer, _MARK, who) != texts[0] for _ in range(_TRIES)):
        raise _refused(who, "prints something else each time")
    before, after = parts
    if texts[1] != before + _PROMPTS[1] + after:
        raise _refused(who, "does not print every prompt as it is")
    before, after = (_dated(part) for part in parts)
    if any(sign in before + after for sign in (_DATE, _END)):
        raise _refused(who, "makes something of today's date")
    if _DATE in texts[0]:
        warnings.warn(
            f"the chat template of {who} prints the date; here it is always {DAY:%d %B %Y}, so that a run can be "
            "repeated",
            stacklevel=2,
        )
    return before, after


def _printed(tokenizer: Any, prompt: str, who: str) -> str:
    """What the template makes of a prompt, with the form of a date in the place of each."""
    try:
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            chat_template=_FROZEN + tokenizer.get_chat_template(),
            tokenize=False,
            add_generation_prompt=True,
        )
    except Exception as error:
        raise _refused(who, f"fails on a single message ({one_line(error)})") from error


def _dated(text: str) -> str:
    return re.sub(f"{_DATE}(.*?){_END}", lambda found: DAY.strftime(found[1]), text, flags=re.DOTALL)


def _refused(who: str, why: str) -> ValueError:
    return ValueError(
        f"the chat template of {who} {why}; give another, load_base(source, chat_template=...), that prints each "
        "message once and as it is, or chat_template='' for none"
    )
