"""Tiny models: random weights of the right names and shapes, and a tokenizer of one token per character."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistralrs.plugin import ArchitectureSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

ALPHABET = " abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-+*/=<>\n"
SPECIAL = ("<unk>", "<s>", "</s>")

CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def tiny_tokenizer(vocab_size: int = 64) -> Tokenizer:
    """One token per character, lower case only. Ids 0 to 2 are ``<unk>``, ``<s>`` and ``</s>``.

    No id is ``vocab_size`` or above: characters that no longer fit become ``<unk>``.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers

    words = [*SPECIAL, *ALPHABET][:vocab_size]
    tokenizer = Tokenizer(models.BPE({word: index for index, word in enumerate(words)}, [], unk_token=SPECIAL[0]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([word for word in SPECIAL if word in words])
    return tokenizer


def tiny_config(spec: ArchitectureSpec, **changes: Any) -> dict[str, Any]:
    """The config.json of the tiny model that a declaration describes. Raises ValueError when it describes none."""
    if not spec.tiny:
        raise ValueError(f"architecture/{spec.name} declares no tiny config, so nothing can be built to test it")
    return {"architectures": [(spec.hf_names or (spec.name,))[0]], **spec.tiny, **changes}


def random_tensors(spec: ArchitectureSpec, config: Mapping[str, Any], *, seed: int = 0) -> dict[str, Tensor]:
    """Every tensor the model asks for, by its name: float32, scaled so that activations keep their size."""
    import torch

    from mistralrs.weights import WeightBuilder

    source = _bare_source()
    wb = WeightBuilder(source, device=torch.device("meta"))
    spec.build.load()(spec.config.load().model_validate(dict(config)), wb)
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for request in wb.log:
        shape = source.asked[request.name]
        noise = torch.randn(shape, generator=generator)
        if len(shape) <= 1:  # ones and zeros would hide a norm or a bias that is not applied
            tensors[request.name] = 0.3 * noise + (1.0 if request.role == "norm" else 0.0)
        else:
            tensors[request.name] = noise if request.role == "embedding" else noise * shape[-1] ** -0.5
    return tensors


def _bare_source() -> Any:
    """A source in which tensors that are optional do not exist. ``asked`` are the shapes that it was asked for."""
    from mistralrs.ops import Weight
    from mistralrs.weights import MetaSource

    class Bare(MetaSource):
        def __init__(self) -> None:
            super().__init__()
            self.asked: dict[str, tuple[int, ...]] = {}

        def has(self, name: str) -> bool:
            return False

        def get(self, name: str, shape: tuple[int, ...]) -> Weight:
            self.asked[name] = shape
            return super().get(name, shape)

    return Bare()


def write_checkpoint(spec: ArchitectureSpec, folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """Write a model folder as Hugging Face has it, which ``mistralrs run -m FOLDER`` can load; return the folder.

    ``changes`` are added to the tiny config. The answers are noise, the same for the same ``seed``.
    """
    from safetensors.torch import save_file

    config = tiny_config(spec, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(random_tensors(spec, config, seed=seed), folder / "model.safetensors", {"format": "pt"})
    end = SPECIAL.index("</s>")
    _write_json(folder / "config.json", {**config, "eos_token_id": end})
    _write_json(folder / "generation_config.json", {"eos_token_id": end})
    _write_json(folder / "tokenizer_config.json", {"chat_template": CHAT_TEMPLATE, "eos_token": "</s>"})
    tiny_tokenizer(config.get("vocab_size", 64)).save(str(folder / "tokenizer.json"))
    return folder


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """``python -m mistralrs.testing.tiny ARCHITECTURE FOLDER``: write a tiny model of an installed architecture."""
    import argparse

    from mistralrs.plugin.host import PluginHost

    parser = argparse.ArgumentParser(prog="python -m mistralrs.testing.tiny", description=main.__doc__)
    parser.add_argument("architecture", help="a key of an architecture plugin, such as its name")
    parser.add_argument("folder", type=Path, help="the folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    given = parser.parse_args()
    spec = PluginHost().resolve("architecture", given.architecture)
    print(f"wrote {write_checkpoint(spec, given.folder, seed=given.seed)}")


if __name__ == "__main__":
    main()
