"""What a plugin contributes: one frozen dataclass per kind. Plain data, so the engine can send it to a worker.

Every form is checked when the record is made, so that a mistake is reported with the plugin's name at discovery and
not as a puzzle at the first request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final

from mistralrs.plugin.ref import Ref

API_VERSION: Final = (1, 0)
"""Major and minor version of this interface; a declaration states the one it was written for."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")


def _is_names(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) and item for item in value)


# By the annotation of the field: whether a value fits, and what to say when it does not.
_CHECKS: Final[dict[str, tuple[Callable[[object], bool], str]]] = {
    "str": (lambda value: isinstance(value, str), "a string"),
    "str | None": (lambda value: value is None or isinstance(value, str), "a string or None"),
    "int": (lambda value: type(value) is int, "an integer"),
    "float": (lambda value: type(value) in (int, float), "a number"),
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "Ref": (lambda value: isinstance(value, Ref), "a Ref"),
    "Ref | None": (lambda value: value is None or isinstance(value, Ref), "a Ref or None"),
    "tuple[str, ...]": (_is_names, "a tuple of non-empty strings"),
    "frozenset[str]": (lambda value: isinstance(value, frozenset), "a frozenset of strings"),
    "Mapping[str, Any]": (lambda value: isinstance(value, Mapping), "a mapping"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The part every contribution has.

    ``name`` equals the name of the entry point. ``requires`` are import names of packages the implementation needs
    beyond the base install. ``options`` points at the pydantic model of its ``[options."kind/name"]`` table; a plugin
    that has one is given it: its implementation is called with the keyword ``options``.
    """

    kind: ClassVar[str]

    name: str
    summary: str
    requires: tuple[str, ...] = ()
    options: Ref | None = None

    def __post_init__(self) -> None:
        """Raise ValueError naming the first field whose value does not fit."""
        for item in fields(self):
            fits, expected = _CHECKS[str(item.type)]
            if not fits(getattr(self, item.name)):
                raise ValueError(f"{type(self).__name__}: {item.name} must be {expected}")
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a plugin name (lower case letters, digits, '.', '_', '-')")
        if repeated := [key for key in self._own_keys if self._own_keys.count(key) > 1]:
            raise ValueError(f"the key {repeated[0]!r} is given twice")

    @property
    def _own_keys(self) -> tuple[str, ...]:
        """Keys beyond the name."""
        return ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What the contribution is looked up by: its name, then the keys of its kind."""
        return tuple(dict.fromkeys((self.name, *self._own_keys)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureSpec(Spec):
    """A model architecture.

    ``hf_names`` are class names in config.json, ``gguf_names`` values of ``general.architecture``, ``aliases`` further
    names that a user may say. Of a class whose config.json has a ``text_config``, an architecture without other
    modalities is given the text side alone (:mod:`mistralrs.modelkit.text_side`). ``config`` is the pydantic model of
    config.json, ``build`` makes the module from a config and a weight builder, ``gguf`` is the table that maps a GGUF
    file to both. ``matches(metadata, tensors) -> int`` says how well a checkpoint fits when several plugins share its
    key: the highest wins, below zero is "not mine", no function counts as 0. ``tiny`` is a config small enough for
    tests.
    """

    kind: ClassVar[str] = "architecture"

    hf_names: tuple[str, ...] = ()
    gguf_names: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    config: Ref
    build: Ref
    gguf: Ref | None = None
    matches: Ref | None = None
    tasks: tuple[str, ...] = ("generate",)
    modalities: tuple[str, ...] = ("text",)
    capabilities: frozenset[str] = frozenset()
    chat_template: str | None = None
    tiny: Mapping[str, Any] = field(default_factory=dict)

    @property
    def _own_keys(self) -> tuple[str, ...]:
        return (*self.hf_names, *self.aliases, *(f"gguf:{name}" for name in self.gguf_names))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationSpec(Spec):
    """A way to keep projections in fewer bits.

    ``method(settings)`` makes a ``weights.QuantMethod``; ``settings`` is the ``quantization_config`` of a model that
    was quantized before, and empty when the user asks for the method by name, which ``in_situ`` allows: plain weights
    are then quantized while they are loaded. ``config_names`` are values of ``quant_method`` in config.json.
    ``bits_per_weight`` counts scales too, for rows of 512 weights.
    """

    kind: ClassVar[str] = "quantization"

    method: Ref
    config_names: tuple[str, ...] = ()
    bits_per_weight: float
    in_situ: bool = False

    @property
    def _own_keys(self) -> tuple[str, ...]:
        return tuple(f"config:{name}" for name in self.config_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSpec(Spec):
    """A file format of checkpoints.

    ``opener(files: ModelFiles) -> Checkpoint`` opens one. ``companions`` are glob patterns of small files it reads.
    Files with one of the ``shared_suffixes`` have this format only when the user says so.
    """

    kind: ClassVar[str] = "format"

    suffixes: tuple[str, ...]
    opener: Ref
    companions: tuple[str, ...] = ()
    shared_suffixes: tuple[str, ...] = ()

    @property
    def _own_keys(self) -> tuple[str, ...]:
        return self.suffixes


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSpec(Spec):
    """A kind of tokenizer file.

    ``opener(path: Path, beside: Mapping[str, Path]) -> tokenizers.Tokenizer`` reads one; ``beside`` are the other small
    files of the model by name. ``files`` are glob patterns of the names it goes by, which are fetched with a model;
    ``suffixes`` say which other files a user may name. Of the files beside a model that of the highest ``priority``
    is read; below 0, only when the weights carry no tokenizer.
    """

    kind: ClassVar[str] = "tokenizer"

    files: tuple[str, ...]
    opener: Ref
    suffixes: tuple[str, ...] = ()
    priority: int = 0

    @property
    def _own_keys(self) -> tuple[str, ...]:
        return (*self.files, *self.suffixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec(Spec):
    """A place model files come from. ``source`` is a class without arguments that implements ``checkpoint.Source``."""

    kind: ClassVar[str] = "source"

    schemes: tuple[str, ...]
    source: Ref

    @property
    def _own_keys(self) -> tuple[str, ...]:
        return self.schemes


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelsSpec(Spec):
    """A compute backend. ``backend()`` returns it; among those for a device the highest ``priority`` is asked first."""

    kind: ClassVar[str] = "kernels"

    devices: tuple[str, ...]
    priority: int
    backend: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendSpec(Spec):
    """A command. ``app`` is a ``typer.Typer``; ``section`` the pydantic model of its table in a configuration file.

    ``rich_help`` lets its ``--help`` use rich, which costs about 0.1 s.
    """

    kind: ClassVar[str] = "frontend"

    app: Ref
    section: Ref | None = None
    rich_help: bool = False
