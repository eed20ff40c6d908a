"""The options every model command shares: their way into sections, and their inventory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mistralrs.cli.context import CliContext
from mistralrs.cli.options import SHARED, Sections, model_options
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.config.section import build
from mistralrs.errors import UsageError

received: list[Sections] = []
app = typer.Typer(rich_markup_mode=None)


@app.command()
@model_options
def take(*, ctx: typer.Context, sections: Sections, word: str = "w") -> None:
    received.append(sections)


def parse(*arguments: str, **context: Any) -> Sections:
    result = CliRunner().invoke(app, list(arguments), obj=CliContext(**context), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return received.pop()


def test_defaults_are_the_sections_defaults() -> None:
    sections = parse()
    assert sections.model == ModelSelection()
    assert sections.runtime == RuntimeConfig()
    assert sections.paged == PagedAttentionConfig()


def test_every_option_reaches_its_field() -> None:
    model = parse(
        *("-m", "a/b", "--revision", "main", "-t", "t.json", "-a", "llama", "--dtype", "f32", "--format", "gguf"),
        *("-f", "x.gguf;y.gguf", "--tok-model-id", "c/d", "--hf-cache", "/c", "-c", "c.json", "-j", "j.jinja"),
        *("--cpu", "-n", "0:2;1:3", "--topology", "t.yml", "--max-seq-len", "512", "--max-batch-size", "2"),
        token_source="env:TOKEN",
    ).model
    assert model == ModelSelection(
        model_id="a/b",
        revision="main",
        tokenizer=Path("t.json"),
        arch="llama",
        dtype="f32",
        format="gguf",
        quantized_file=("x.gguf", "y.gguf"),
        tok_model_id="c/d",
        token_source="env:TOKEN",
        hf_cache=Path("/c"),
        cpu=True,
        device_layers=("0:2", "1:3"),
        topology=Path("t.yml"),
        max_seq_len=512,
        max_batch_size=2,
        chat_template=Path("c.json"),
        jinja_explicit=Path("j.jinja"),
    )
    sections = parse(
        *("--max-seqs", "4", "--max-num-batched-tokens", "64"),
        *("--prefix-cache-n", "0", "--threads", "2"),
        *("--paged-attn", "on", "--pa-context-len", "512", "--pa-block-size", "16", "--pa-cache-type", "f16"),
    )
    assert sections.runtime == RuntimeConfig(max_seqs=4, max_num_batched_tokens=64, prefix_cache_n=0, threads=2)
    assert sections.paged == PagedAttentionConfig(mode="on", context_len=512, block_size=16, cache_type="f16")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dtype", "f64"], "--dtype: "),
        (["--max-seqs", "0"], "--max-seqs: "),
        (["--threads", "-1"], "--threads: "),
        (["--no-kv-cache"], "--no-kv-cache: running without"),
        (["--paged-attn", "off"], "--paged-attn: 'off' is not possible"),
        (["--pa-cache-type", "f8e4m3"], "--pa-cache-type: 'f8e4m3' is not supported yet; there is auto, f16 and f32"),
        (["--pa-block-size", "64"], "--pa-block-size: "),
        (["--pa-memory-fraction", "1.5"], "--pa-memory-fraction: "),
        (["--pa-memory-fraction", "nan"], "--pa-memory-fraction: "),
        (["--pa-memory-mb", "8", "--pa-context-len", "8"], "context_len and memory_mb"),
        (["-n", "0:x"], "--device-layers: '0:x' is not ORD:NUM; for example 0:16;1:16"),
        (["-n", ""], "--device-layers: '' is not ORD:NUM"),
        (["--max-batch-size", "0"], "--max-batch-size: "),
        (["-f", "a.gguf;"], "--quantized-file: an empty file name"),
        (["-f", "a.gguf;b.ggml"], "--quantized-file: the files have different suffixes"),
        (["-f", "a.gguf", "--format", "plain"], "cannot have the format 'plain'"),
    ],
)
def test_bad_values_name_the_option(arguments: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(*arguments)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse(token_source="hf_secret")
    assert "hf_secret" not in str(caught.value)


def test_unknown_keys_of_a_section_are_errors() -> None:
    with pytest.raises(UsageError, match="unknown key 'max_seq'"):
        build(RuntimeConfig, {"max_seq": 3})


def test_every_shared_option_belongs_to_a_section() -> None:
    fields = {*ModelSelection.model_fields, *RuntimeConfig.model_fields, *PagedAttentionConfig.model_fields}
    named = {name.removeprefix("pa_") for name in SHARED} - {"paged_attn"}
    assert named <= fields


def test_the_module_is_light() -> None:
    code = "import sys, mistralrs.cli.options; print({'torch', 'pydantic', 'tokenizers'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
