"""The records are plain, picklable data, and their forms are checked when they are made."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from mistralrs.plugin import (
    ArchitectureSpec,
    FormatSpec,
    FrontendSpec,
    KernelsSpec,
    QuantizationSpec,
    Ref,
    SourceSpec,
    Spec,
    TokenizerSpec,
)
from mistralrs.plugin.kinds import KINDS

REF = Ref("package.module:attribute")

SPECS: list[Spec] = [
    ArchitectureSpec(name="llama", summary="s", hf_names=("A", "B"), gguf_names=("llama",), config=REF, build=REF),
    QuantizationSpec(name="gptq", summary="s", method=REF, config_names=("gptq",), bits_per_weight=4.25),
    FormatSpec(name="gguf", summary="s", suffixes=(".gguf",), opener=REF),
    TokenizerSpec(name="spm", summary="s", files=("tokenizer.model",), suffixes=(".model",), opener=REF),
    SourceSpec(name="pypi", summary="s", schemes=("pypi",), source=REF),
    KernelsSpec(name="torch", summary="s", devices=("cpu",), priority=0, backend=REF),
    FrontendSpec(name="run", summary="s", app=REF),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_records_cross_process_borders(spec: Spec) -> None:
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_keys_are_the_name_and_those_of_the_kind() -> None:
    assert [spec.keys for spec in SPECS] == [
        ("llama", "A", "B", "gguf:llama"),
        ("gptq", "config:gptq"),
        ("gguf", ".gguf"),
        ("spm", "tokenizer.model", ".model"),
        ("pypi",),
        ("torch",),
        ("run",),
    ]


def test_every_kind_with_keys_has_its_record() -> None:
    assert {kind.spec for kind in KINDS.values() if kind.spec} == {type(spec) for spec in SPECS}
    assert all(kind.spec is None or kind.spec.kind == name for name, kind in KINDS.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Llama"}, "'Llama' is not a plugin name"),
        ({"name": "a/b"}, "'a/b' is not a plugin name"),
        ({"summary": None}, "ArchitectureSpec: summary must be a string"),
        ({"hf_names": "Llama"}, "ArchitectureSpec: hf_names must be a tuple of non-empty strings"),
        ({"hf_names": ["Llama"]}, "ArchitectureSpec: hf_names must be a tuple of non-empty strings"),
        ({"gguf_names": ("",)}, "ArchitectureSpec: gguf_names must be a tuple of non-empty strings"),
        ({"hf_names": ("A", "A")}, "the key 'A' is given twice"),
        ({"config": "package.module:attribute"}, "ArchitectureSpec: config must be a Ref"),
        ({"gguf": "x"}, "ArchitectureSpec: gguf must be a Ref or None"),
        ({"capabilities": {"lora"}}, "ArchitectureSpec: capabilities must be a frozenset of strings"),
        ({"tiny": []}, "ArchitectureSpec: tiny must be a mapping"),
        ({"chat_template": 1}, "ArchitectureSpec: chat_template must be a string or None"),
    ],
)
def test_a_wrong_form_is_named(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"name": "x", "summary": "", "config": REF, "build": REF} | changes
    with pytest.raises(ValueError, match=message):
        ArchitectureSpec(**fields)


@pytest.mark.parametrize("target", ["", "a", "a:", ":b", "a b:c", "a:b-c", "a..b:c", "a.b:c."])
def test_a_ref_has_a_form(target: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        Ref(target)


def test_a_ref_is_imported_on_load() -> None:
    assert Ref("collections:OrderedDict.fromkeys").load()("a") == {"a": None}
    assert REF.module == "package.module"
