"""What a part says of itself, and what of it a subclass inherits.

A built-in part says more than it must ("my choices look at their own candidates alone"), and the engine takes a short
way. Such an answer rests on methods of the class that gave it. A subclass that overrides one of them, and does not
answer anew, is asked the safe way again: the answer falls back to that of the contract.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar


class Claims:
    """A contract some of whose answers (attributes or methods) are inherited only with what they rest on.

    ``RESTS`` gives for each answer the methods that it rests on. A class that overrides one of these without the
    answer gets the contract's own. TypeError where a class has a field by the name of one of the contract's methods.

    >>> class Part(Claims):
    ...     RESTS = {"quick": ("work",)}
    ...     quick = False
    ...     def work(self): ...
    >>> class Ours(Part):
    ...     quick = True
    >>> class Yours(Ours):
    ...     def work(self): ...
    >>> Ours.quick, Yours.quick
    (True, False)
    """

    RESTS: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for name in inspect.get_annotations(cls):
            if name in cls.RESTS and inspect.isfunction(_contract(cls, name)) and name not in vars(cls):
                raise TypeError(
                    f"{cls.__name__} has a field {name!r}, and {name}() is a method of its contract; give the field "
                    "another name"
                )
        fallen = [claim for claim, methods in cls.RESTS.items() if not _stands(cls, claim, methods)]
        for claim in fallen:
            setattr(cls, claim, _contract(cls, claim))


def _stands(cls: type, claim: str, methods: tuple[str, ...]) -> bool:
    """Whether what a claim rests on is as it was where the claim was made."""
    author = next((c for c in cls.__mro__ if claim in vars(c)), cls)
    return all(_found(cls, name) in (_found(author, name), _contract(cls, name)) for name in methods)


def _found(cls: type, name: str) -> Any:
    """An attribute as the class statement has left it."""
    return next((vars(c)[name] for c in cls.__mro__ if name in vars(c)), None)


def _contract(cls: type, name: str) -> Any:
    """The contract's own: where the name appears first, from the ground up."""
    return next((vars(c)[name] for c in reversed(cls.__mro__) if name in vars(c)), None)
