"""Language models as generators: LoRA adapters on a frozen base that all members share."""

from ecosystem.generators.language.base import Base, load_base
from ecosystem.generators.language.codec import Codec
from ecosystem.generators.language.model import LanguageModel
from ecosystem.generators.language.tiny import tiny_base

__all__ = ["Base", "Codec", "LanguageModel", "load_base", "tiny_base"]
