"""The command line of ``mistralrs serve``. What is wrong with it is said before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mistralrs.cli.console import ProgressBar
from mistralrs.cli.options import Sections, model_options
from mistralrs.cli.selector import Selector, check_selector

if TYPE_CHECKING:
    from mistralrs.checkpoint import Progress
    from mistralrs.cli.context import CliContext
    from mistralrs.config.also import FurtherModel
    from mistralrs.config.server import ServerConfig
    from mistralrs_plugins.frontends.serve.models.model import ModelPlan

MODELS, SERVER, LIMITS, LOGS = "Several models", "Server", "Server limits", "Server logs"

Aliases = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", rich_help_panel=MODELS, help="A further name of the model (repeatable)."),
]
FurtherModels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL[,KEY=VALUE...]",
        rich_help_panel=MODELS,
        help="A further model, loaded when a request names it (repeatable). Keys are alias and the options that "
        "choose a model.",
    ),
]
IdleUnload = Annotated[
    float | None,
    typer.Option(metavar="S", rich_help_panel=MODELS, help="Unload a model after S seconds without requests."),
]
MemoryBudget = Annotated[
    int | None,
    typer.Option(
        metavar="MIB",
        rich_help_panel=MODELS,
        help="What all loaded models may take together; what was not used for longest is unloaded.",
    ),
]

ApiKeys = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        rich_help_panel=SERVER,
        envvar="MISTRALRS_API_KEY",
        show_envvar=True,
        help="Let in only who has this key (repeatable). Others can see the command line: prefer a file.",
    ),
]
WebPage = Annotated[
    bool | None,
    typer.Option(
        "--ui/--no-ui",
        rich_help_panel=SERVER,
        show_default=False,
        help="Open the web page in a browser, or do without it. It is at /ui unless --no-ui is given.",
    ),
]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@model_options
def serve(
    *,
    ctx: typer.Context,
    sections: Sections,
    selector: Selector = "auto",
    alias: Aliases = None,
    also: FurtherModels = None,
    idle_unload: IdleUnload = None,
    memory_budget_mb: MemoryBudget = None,
    host: Annotated[str, typer.Option(rich_help_panel=SERVER, help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("-p", "--port", rich_help_panel=SERVER, help="0 takes a free one.")] = 1234,
    ui: WebPage = None,
    api_key: ApiKeys = None,
    api_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=SERVER, help="Keys, one a line.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", rich_help_panel=SERVER, help="Listen beyond this machine without a key.")
    ] = False,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", rich_help_panel=SERVER, help="Let pages of this origin in (repeatable); * all."),
    ] = None,
    max_queue: Annotated[
        int, typer.Option(metavar="N", rich_help_panel=LIMITS, help="Answers that may wait; then 429.")
    ] = 128,
    max_body_mb: Annotated[float, typer.Option(metavar="MIB", rich_help_panel=LIMITS, help="Size of a request.")] = 50,
    max_header_kb: Annotated[int, typer.Option(metavar="KIB", rich_help_panel=LIMITS, help="Size of its head.")] = 32,
    header_timeout: Annotated[
        float, typer.Option(metavar="S", rich_help_panel=LIMITS, help="Seconds to send the head of a request.")
    ] = 10,
    body_timeout: Annotated[
        float, typer.Option(metavar="S", rich_help_panel=LIMITS, help="Seconds to send its body.")
    ] = 30,
    send_timeout: Annotated[
        float, typer.Option(metavar="S", rich_help_panel=LIMITS, help="Seconds a client may not read its stream.")
    ] = 60,
    request_timeout: Annotated[
        float | None, typer.Option(metavar="S", rich_help_panel=LIMITS, help="Seconds one request may take.")
    ] = None,
    drain_timeout: Annotated[
        float, typer.Option(metavar="S", rich_help_panel=LIMITS, help="Seconds running requests get at the end.")
    ] = 30,
    stall_timeout: Annotated[
        float, typer.Option(metavar="S", rich_help_panel=LIMITS, help="Seconds a step may take; then not ready.")
    ] = 120,
    disable_access_log: Annotated[
        bool, typer.Option("--disable-access-log", rich_help_panel=LOGS, help="No line for each request.")
    ] = False,
    access_log_format: Annotated[
        str, typer.Option(metavar="FORMAT", rich_help_panel=LOGS, help="text or json.")
    ] = "text",
    access_log_health: Annotated[
        bool, typer.Option("--access-log-health", rich_help_panel=LOGS, help="Log health checks too.")
    ] = False,
    disable_request_id_header: Annotated[
        bool, typer.Option("--disable-request-id-header", rich_help_panel=LOGS, help="No x-request-id in responses.")
    ] = False,
    disable_metrics: Annotated[
        bool, typer.Option("--disable-metrics", rich_help_panel=LOGS, help="No /metrics.")
    ] = False,
    otlp_endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", rich_help_panel=LOGS, help="Send a span for each request to this collector."),
    ] = None,
) -> None:
    """Serve a model over HTTP, to clients of OpenAI and Anthropic."""
    check_selector(selector)
    _serve(ctx.obj, sections, _config(ctx.params), tuple(alias or ()), tuple(also or ()), open_page=ui is True)


def _config(params: Mapping[str, Any]) -> ServerConfig:
    """The options as a section; those that switch something off are called by what they switch off."""
    from mistralrs.config.section import build
    from mistralrs.config.server import ServerConfig

    values = {name: value for name, value in params.items() if name in ServerConfig.model_fields}
    values |= {name: tuple(values[name] or ()) for name in ("api_key", "cors_origin")}
    values["ui"] = params["ui"] is not False
    values |= {name: not params[f"disable_{name}"] for name in ("access_log", "request_id_header", "metrics")}
    return build(ServerConfig, values, {name: f"--{name.replace('_', '-')}" for name in values})


def _serve(
    context: CliContext,
    sections: Sections,
    config: ServerConfig,
    aliases: tuple[str, ...],
    also: tuple[str, ...],
    *,
    open_page: bool,
) -> None:
    from mistralrs.api.log import RequestLog
    from mistralrs.config.also import FurtherModel, parse_also
    from mistralrs_plugins.frontends.serve.server import Plan, bind, load_keys, load_tracing, serve

    wanted = [FurtherModel(sections.model, aliases), *(parse_also(text, sections.model) for text in also)]
    keys = load_keys(config)
    listener = bind(config)
    with ProgressBar() as progress:
        models = tuple(_model(context, sections, each, progress) for each in wanted)
    plan = Plan(
        config=config,
        models=models,
        keys=keys,
        listener=listener,
        log=RequestLog(context.log) if context.log else None,
        host=context.host,
        tracing=load_tracing(config),
        open_page=open_page,
    )
    serve(plan)


def _model(context: CliContext, sections: Sections, wanted: FurtherModel, progress: Progress) -> ModelPlan:
    """The plan of one model, whose files are found and good."""
    from mistralrs.api.asynchronous import TextSide
    from mistralrs.api.recipe import model_recipe
    from mistralrs_plugins.frontends.serve.models.model import ModelPlan

    _, runtime, paged = sections
    return ModelPlan(
        recipe=model_recipe(context.host, wanted.selection, runtime, paged, seed=context.seed),
        text=TextSide.open(context.host, wanted.selection, progress, paged),
        max_seqs=runtime.max_seqs,
        names=wanted.aliases,
    )
