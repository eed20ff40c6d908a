"""Configuration files: what they may say, what they mean, and that a command line can be written as one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mistralrs.cli.main import run
from mistralrs.cli.options import PAGED_FIELDS, SHARED
from mistralrs.config.also import parse_also
from mistralrs.config.from_config import LATER, Configuration
from mistralrs.config.model import ModelSelection
from mistralrs.config.toml_text import leaves
from mistralrs.errors import UsageError
from mistralrs_plugins.frontends.from_config.arguments import command_line
from mistralrs_plugins.frontends.from_config.toml_file import ALIASES, read_config, tables

MODEL = '[[models]]\nmodel_id = "org/name"\n'


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def file(text: str, name: str = "it.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return file


def words(path: Path) -> list[str]:
    return command_line(read_config(path).config)


def test_the_smallest_file(write: Any) -> None:
    assert words(write(f'command = "run"\n{MODEL}')) == ["run", "auto", "--model-id=org/name"]


def test_everything_becomes_a_flag(write: Any, tmp_path: Path) -> None:
    text = """
command = "run"
enable_thinking = true
reasoning_effort = "low"
[global]
seed = 7
log = "logs/run.jsonl"
token_source = "env:TOKEN"
[runtime]
max_seqs = 2
prefix_cache_n = 0
threads = 1
chat_template = "shared.jinja"
[sampling]
temperature = 0
top_k = 5
[paged_attn]
mode = "on"
context_len = 512
[[models]]
kind = "text"
model_id = "./model"
tokenizer = "/abs/tokenizer.json"
dtype = "f32"
chat_template = "own.jinja"
[models.format]
format = "gguf"
quantized_file = "a.gguf;b.gguf"
[models.quantization]
in_situ_quant = "absmax8"
[models.device]
cpu = true
device_layers = ["0:2", "1:3"]
topology = "where.yml"
max_batch_size = 2
"""
    assert words(write(text)) == [
        "--seed=7",
        f"--log={tmp_path}/logs/run.jsonl",
        "--token-source=env:TOKEN",
        *("run", "text", f"--model-id={tmp_path}/model", "--tokenizer=/abs/tokenizer.json", "--dtype=f32"),
        *("--format=gguf", "--quantized-file=a.gguf;b.gguf", "--isq=absmax8", "--cpu"),
        *("--device-layers=0:2;1:3", f"--topology={tmp_path}/where.yml", "--max-batch-size=2"),
        *("--max-seqs=2", "--prefix-cache-n=0", "--threads=1", f"--chat-template={tmp_path}/own.jinja"),
        *("--paged-attn=on", "--pa-context-len=512", "--temperature=0.0", "--top-k=5"),
        *("--reasoning-effort=low", "--thinking=true"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "command: field required"),
        ('command = "run"', "models: field required"),
        (f'comand = "run"\n{MODEL}', "unknown key 'comand'; did you mean 'command'?"),
        (f'command = "walk"\n{MODEL}', "command: input should be 'run' or 'serve'"),
        ('command = "run"\nmodels = []', "models: "),
        ('command = "run"\n[models]\nmodel_id = "x"', "models must be tables, [[models]]"),
        ('command = "run"\n[[models]]', "models.0.model_id: field required"),
        (f'command = "run"\n{MODEL}modelid = 1', "unknown key 'models.modelid'; did you mean 'model_id'?"),
        (f'command = "run"\n{MODEL}[models.format]\nmmproj = "a"', "models.format.mmproj is not supported yet"),
        (f'command = "run"\n[runtime]\nmtp = true\n{MODEL}', "runtime.mtp is not supported yet"),
        (f'command = "run"\n[sandbox]\n{MODEL}', "sandbox is not supported yet"),
        (
            f'command = "run"\n[runtime]\nmax_seq = 1\n{MODEL}',
            "unknown key 'runtime.max_seq'; did you mean 'max_seqs'?",
        ),
        (f'command = "run"\n[runtime]\nmax_seqs = 0\n{MODEL}', "runtime.max_seqs: "),
        (f'command = "run"\n[runtime]\nno_kv_cache = true\n{MODEL}', "runtime.no_kv_cache: running without a KV cache"),
        (f'command = "run"\n[paged_attn]\nmode = "off"\n{MODEL}', "paged_attn.mode: 'off' is not possible"),
        (f'command = "run"\nthinking = true\nenable_thinking = true\n{MODEL}', "are the same key"),
        (f'command = "run"\nruntime = 3\n{MODEL}', "runtime must be a table"),
        (f'command = "run"\n[prefer]\n"x" = 3\n{MODEL}', "prefer.x: "),
        ("command =", "not valid TOML"),
    ],
)
def test_mistakes_are_named_with_the_file(write: Any, text: str, problem: str) -> None:
    path = write(text)
    with pytest.raises(UsageError) as caught:
        read_config(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert problem in caught.value.message
    assert "\n" not in caught.value.message


def test_other_files_are_refused(write: Any, tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path, write("", "it.yaml")):
        with pytest.raises(UsageError):
            read_config(path)


def test_variables_are_expanded_where_stated(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "org")
    text = 'command = "run"\n[[models]]\nmodel_id = "${WHERE}/${NAME:-name}$$"\narch = "${WHERE}"'
    read = read_config(write(text))
    assert read.config.models[0].model_id == "org/name$"
    assert read.config.models[0].arch == "${WHERE}"
    assert read.origin("models[0].model_id") == "file, with WHERE of the environment and the default of NAME"
    with pytest.raises(UsageError, match="NAME is not set"):
        read_config(write('command = "run"\n[[models]]\nmodel_id = "${NAME}"'))


def test_defaults_are_those_of_the_command_line() -> None:
    config = Configuration.model_validate({"command": "run", "models": [{"model_id": "x"}]})
    stated = {name.rpartition(".")[2] if "paged" not in name else name: value for name, value in leaves(config)}
    for name, parameter in SHARED.items():
        key = f"paged_attn.{PAGED_FIELDS[name]}" if name in PAGED_FIELDS else name
        if name != "model_id":
            assert stated[key] == parameter.default, name


def test_keys_of_the_original_are_all_known() -> None:
    """Each is served or refused as one that comes later; none is called unknown."""
    served = {"": set(tables(Configuration))}
    for name, inner in tables(Configuration).items():
        if inner is not None:
            served[name] = set(tables(inner))
    for name, inner in tables(tables(Configuration)["models"] or Configuration).items():
        if inner is not None:
            served[f"models.{name}"] = set(tables(inner))
    for table, later in LATER.items():
        assert not served[table] & set(later)
    assert {"seed", "log", "token_source"} == served["global"]
    assert {"mode", "context_len", "memory_mb", "memory_fraction", "block_size", "cache_type"} == served["paged_attn"]
    assert set(ALIASES.values()) <= served[""] | served["models.quantization"] | served["server"]


def test_serve(write: Any, tmp_path: Path) -> None:
    text = f"""
command = "serve"
[server]
host = "0.0.0.0"
port = 8080
api_key_file = "keys.txt"
cors_origin = ["https://a.example", "https://b.example"]
disable_metrics = true
access_log = false
{MODEL}"""
    assert words(write(text)) == [
        *("serve", "auto", "--model-id=org/name", "--host=0.0.0.0", "--port=8080"),
        f"--api-key-file={tmp_path}/keys.txt",
        *("--cors-origin=https://a.example", "--cors-origin=https://b.example"),
        *("--disable-access-log", "--disable-metrics"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'command = "run"\n{MODEL}{MODEL}', "run takes one model; the file has 2"),
        (f'command = "run"\n[server]\nport = 1\n{MODEL}', "server says nothing to run"),
        (f'command = "serve"\nthinking = true\n{MODEL}', "thinking says nothing to serve"),
        (f'command = "serve"\n[server]\nmcp_port = 1\n{MODEL}', "server.mcp_port is not supported yet"),
        (f'command = "serve"\n[server]\nmetrics = true\ndisable_metrics = true\n{MODEL}', "are the same key"),
    ],
)
def test_what_a_command_cannot_use_is_refused(
    write: Any, text: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["from-config", str(write(text))]) == 2
    assert problem in capsys.readouterr().err


def test_check_loads_nothing_and_names_what_is_missing(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(f'command = "run"\n{MODEL}')
    assert run(["from-config", "-f", str(path), "--check"]) == 0
    assert capsys.readouterr().out == f"{path} is in order\n"
    assert run(["from-config", str(write(f'command = "run"\n{MODEL}tokenizer = "t.json"')), "--check"]) == 2
    assert "models[0].tokenizer: there is no file" in capsys.readouterr().err
    assert run(["from-config", str(write(f'command = "run"\n{MODEL}arch = "llamma"')), "--check"]) == 2
    assert "did you mean 'llama'" in capsys.readouterr().err


def test_plugins_may_be_decided_by_the_file(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(f'command = "run"\n{MODEL}arch = "qwen3"\n[plugins]\ndisable = ["architecture/qwen3"]')
    assert run(["from-config", str(path), "--check"]) == 2
    assert f"by {path}" in capsys.readouterr().err


def test_print_is_a_file_that_says_where_each_value_is_from(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = f'command = "run"\nprefer = {{ "architecture:x" = "y" }}\n[global]\ntoken_source = "literal:hf_x"\n{MODEL}'
    assert run(["from-config", str(write(text)), "--print"]) == 0
    printed = capsys.readouterr().out
    assert 'model_id = "org/name"  # file' in printed
    assert "max_seqs = 32  # default" in printed
    assert "hf_x" not in printed
    assert "[server]" not in printed
    assert tomllib.loads(printed)["prefer"] == {"architecture:x": "y"}


def test_print_shows_no_keys(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = f'command = "serve"\n[server]\napi_key = ["very-secret-key"]\n{MODEL}'
    run(["from-config", str(write(text)), "--print"])
    printed = capsys.readouterr().out
    assert 'api_key = ["..."]  # file' in printed
    assert "very-secret" not in printed


def test_the_schema_is_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["from-config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert {"command", "global", "models", "enable_thinking"} <= set(schema["properties"])


def test_a_dumped_command_line_is_reproduced(write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    model.mkdir()
    line = ["--seed=7", "run", "text", f"--model-id={model}", "--isq=absmax8", "--max-seqs=2", "--paged-attn=on"]
    line += ["--temperature=0.0", "--top-k=3", "--thinking=false"]
    assert run([*line, "--dump-config"]) == 0
    first = capsys.readouterr().out
    again = words(write(first))
    assert sorted(again) == sorted(line)
    assert run([*again, "--dump-config"]) == 0
    assert capsys.readouterr().out == first


def test_a_dumped_server_is_reproduced(write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["serve", "auto", "--model-id=org/name", "--port=8080", "--max-queue=3", "--disable-access-log"]
    line += ["--cors-origin=https://a.example", f"--api-key-file={tmp_path}/keys.txt"]
    assert run([*line, "--dump-config"]) == 0
    assert sorted(words(write(capsys.readouterr().out))) == sorted(line)
    assert run([*line, "--api-key=very-secret-key", "--dump-config"]) == 0
    captured = capsys.readouterr()
    assert "very-secret-key" not in captured.out + captured.err


def test_a_dump_names_the_default_model_and_no_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--token-source=literal:hf_secret", "run", "--dump-config"]) == 0
    captured = capsys.readouterr()
    assert 'model_id = "smollm2"' in captured.out
    assert "hf_secret" not in captured.out + captured.err


def test_options_before_the_command_win(write: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(f'command = "run"\n[global]\nseed = 7\n{MODEL}')
    assert run(["--seed", "9", "from-config", str(path), "--", "--dump-config"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["global"]["seed"] == 9


SEVERAL = """
command = "serve"
default_model_id = "second"
[runtime]
chat_template = "shared.jinja"
[server]
idle_unload = 60
memory_budget_mb = 4000
[[models]]
model_id = "first,with a comma"
aliases = ["one", "uno"]
[models.quantization]
isq = "absmax8"
[[models]]
model_id = "second"
aliases = ["two"]
"""


def test_several_models(write: Any, tmp_path: Path) -> None:
    shared = tmp_path / "shared.jinja"
    line = words(write(SEVERAL))
    assert line[:3] == ["serve", "auto", "--model-id=second"]
    also = next(word.removeprefix("--also=") for word in line if word.startswith("--also="))
    assert "--alias=two" in line
    assert {"--idle-unload=60.0", "--memory-budget-mb=4000"} <= set(line)
    further = parse_also(also, ModelSelection(token_source="none", cpu=True))
    assert further.selection.model_id == "first,with a comma"
    assert further.selection.isq == "absmax8"
    assert further.selection.chat_template == shared
    assert (further.selection.token_source, further.selection.cpu) == ("none", True)
    assert further.aliases == ("one", "uno")


def test_several_models_are_dumped(capsys: pytest.CaptureFixture[str], write: Any) -> None:
    given = ["-m", "first", "--alias", "one", "--also", "org/second,alias=two,isq=absmax8", "--idle-unload", "9"]
    assert run(["serve", *given, "--dump-config"]) == 0
    line = words(write(capsys.readouterr().out))
    assert {"--model-id=first", "--alias=one", "--also=org/second,isq=absmax8,alias=two"} <= set(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SEVERAL.replace('id = "second"\n[run', 'id = "third"\n[run'), "'third' is none of the models"),
        (SEVERAL + "[models.device]\ncpu = true\n", "models.device.cpu must be the same"),
    ],
)
def test_several_models_that_do_not_fit(write: Any, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        words(write(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no model before"),
        (",alias=x", "no model before"),
        ("m,alias", "key=value"),
        ("m,alias=", "key=value"),
        ("m,isk=q", "unknown key 'isk'; did you mean 'isq'"),
        ("m,isq=a,isq=b", "given twice"),
        ("m,dtype=f7", "dtype"),
        ("m,cpu=true", "unknown key 'cpu'"),
    ],
)
def test_further_models_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_also(text, ModelSelection())
