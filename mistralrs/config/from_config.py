"""The tables of a configuration file, as mistral.rs names them, with unknown keys refused and defaults stated once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.config.section import Section
from mistralrs.config.server import ServerConfig

LATER: dict[str, tuple[str, ...]] = {
    "": ("adapter", "sandbox"),
    "server": ("max_tool_rounds", "mcp_port", "tool_dispatch_url"),
    "runtime": (
        *("agent", "agent_permission", "code_exec_permission", "code_exec_python", "code_exec_timeout"),
        *("code_exec_workdir", "enable_code_execution", "enable_search", "enable_shell", "matformer_config_path"),
        *("matformer_slice_name", "mcp_config", "mtp", "mtp_model", "mtp_n_predict", "search_embedding_model"),
        "max_decode_steps_before_prefill",
        *("shell_path", "shell_timeout", "shell_workdir", "skills_dir"),
    ),
    "models": ("adapter", "matformer_config_path", "matformer_slice_name", "multimodal"),
    "models.format": ("mmproj",),
    "models.quantization": ("calibration_file", "from_uqff", "imatrix", "isq_organization", "quant"),
}
"""Keys of mistral.rs, by table, that this release knows but cannot serve yet."""


USELESS = {"run": ("default_model_id", "server"), "serve": ("reasoning_effort", "sampling", "thinking")}
"""Keys that say nothing to a command."""

NEGATIONS = {
    "disable_access_log": "access_log",
    "disable_metrics": "metrics",
    "disable_request_id_header": "request_id_header",
    "no_ui": "ui",
}
"""Keys of ``[server]`` that switch something off, and what that is."""


class GlobalTable(Section):
    """``[global]``: what the options before the command say."""

    seed: int | None = Field(default=None, ge=0, lt=2**64, description="Seed of the engine's sampling.")
    log: Path | None = Field(default=None, description="Append every request and response to this file.")
    token_source: str = Field(
        default="cache", description="Where the Hugging Face token comes from: cache, none, env:, path: or literal:."
    )


class RuntimeTable(RuntimeConfig):
    """``[runtime]``: limits of the engine, and templates for every model that names none."""

    chat_template: Path | None = Field(default=None, description="A chat template, .jinja or .json.")
    jinja_explicit: Path | None = Field(default=None, description="A Jinja file that overrides all.")


class SamplingTable(Section):
    """``[sampling]``: what the user asks for instead of the model's own defaults."""

    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0)
    top_k: int | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    min_p: float | None = Field(default=None, ge=0, le=1)


class FormatTable(Section):
    """``[models.format]``: which weight files."""

    format: str | None = Field(default=None, description="Format of the weights: plain, gguf, ggml.")
    quantized_file: str | None = Field(default=None, description="Weight files to use, separated by ';'.")
    tok_model_id: str | None = Field(default=None, description="Where a bare weight file's tokenizer comes from.")
    gqa: int | None = Field(default=None, ge=1, description="Query heads for each of keys; only checked.")


class QuantizationTable(Section):
    """``[models.quantization]``: how plain weights are quantized while they are loaded."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    isq: str | None = Field(default=None, alias="in_situ_quant", description="A quantization plugin.")


class DeviceTable(Section):
    """``[models.device]``: where the model runs."""

    cpu: bool = Field(default=False, description="Use the CPU only.")
    device_layers: tuple[str, ...] | None = Field(default=None, description="Layers by device, each ORD:NUM.")
    topology: Path | None = Field(default=None, description="A file that places and quantizes layers.")
    max_seq_len: int = Field(default=4096, ge=1, description="Tokens of a sequence that the placement has room for.")
    max_batch_size: int = Field(default=1, ge=1, description="Sequences that the placement has room for.")
    hf_cache: Path | None = Field(default=None, description="Another Hugging Face cache folder.")


class ModelTable(Section):
    """``[[models]]``: one model."""

    kind: Literal["auto", "text"] = "auto"
    model_id: str = Field(description="As -m: a path, a short name, SCHEME:REFERENCE, or ORG/NAME on the hub.")
    aliases: tuple[str, ...] = Field(default=(), description="Further names that requests may use; only for serve.")
    revision: str | None = Field(default=None, description="Branch, tag or commit of the repository.")
    tokenizer: Path | None = Field(default=None, description="A tokenizer.json to use.")
    arch: str | None = Field(default=None, description="Force an architecture plugin.")
    dtype: Literal["auto", "bf16", "f16", "f32"] = "auto"
    chat_template: Path | None = None
    jinja_explicit: Path | None = None
    format: FormatTable = FormatTable()
    quantization: QuantizationTable = QuantizationTable()
    device: DeviceTable = DeviceTable()


def _say_negations(schema: dict[str, Any]) -> None:
    """Let editors know the keys that switch something off."""
    for key, field in NEGATIONS.items():
        schema["properties"][key] = {"type": "boolean", "description": f"The opposite of {field}."}


class ServerTable(ServerConfig):
    """``[server]``: where ``serve`` listens, who may use it, and what it takes before it refuses."""

    model_config = ConfigDict(json_schema_extra=_say_negations)

    @model_validator(mode="before")
    @classmethod
    def _negate(cls, values: Any) -> Any:
        """Read ``disable_metrics = true``, as mistral.rs has it, as ``metrics = false``."""
        if not isinstance(values, dict):
            return values
        for key, field in NEGATIONS.items():
            if isinstance(values.get(key), bool):
                values = {**{name: each for name, each in values.items() if name != key}, field: not values[key]}
        return values


class PluginsTable(Section):
    """``[plugins]``: as in registry.toml."""

    disable: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None


class Configuration(Section):
    """One configuration file."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, title="mistralrs from-config")

    command: Literal["run", "serve"]
    default_model_id: str | None = Field(default=None, description="The model of requests that name none.")
    thinking: bool | None = Field(default=None, alias="enable_thinking", description="Force thinking on, or off.")
    reasoning_effort: Literal["off", "none", "low", "medium", "high", "xhigh"] | None = None
    prefer: dict[str, str] = Field(default={}, description='"kind:key" = the plugin or distribution that serves it.')
    options: dict[str, dict[str, Any]] = Field(default={}, description='"kind/name" = settings of a plugin.')
    global_: GlobalTable = Field(default=GlobalTable(), alias="global")
    runtime: RuntimeTable = RuntimeTable()
    sampling: SamplingTable = SamplingTable()
    paged_attn: PagedAttentionConfig = PagedAttentionConfig()
    server: ServerTable = ServerTable()
    models: tuple[ModelTable, ...] = Field(min_length=1)
    plugins: PluginsTable = PluginsTable()

    @model_validator(mode="after")
    def _know_the_default(self) -> Self:
        ids = [model.model_id for model in self.models]
        if self.default_model_id is not None and self.default_model_id not in ids:
            raise ValueError(f"default_model_id: {self.default_model_id!r} is none of the models: {', '.join(ids)}")
        if len({model.device.cpu for model in self.models}) > 1:
            raise ValueError("models.device.cpu must be the same for all models")
        return self
