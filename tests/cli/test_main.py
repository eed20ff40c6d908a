"""The root command: lazily mounted front ends, global options anywhere, one way to report errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from distributions import Distributions

import mistralrs
from mistralrs.cli.main import run

Install = Callable[..., None]
Capture = pytest.CaptureFixture[str]


def test_help_lists_front_ends_without_importing_them(frontend: Install, capsys: Capture) -> None:
    frontend("greet")
    assert run(["--help"]) == 0
    assert "The greet command." in capsys.readouterr().out
    assert "greet_plugin" in sys.modules
    assert "greet_app" not in sys.modules


def test_a_front_end_runs_and_finds_the_global_options(frontend: Install, capsys: Capture) -> None:
    frontend("greet")
    assert run(["--log", "f", "greet", "hello", "--seed", "7", "-vv", "--token-source=env:X", "--no-plugin", "a"]) == 0
    assert capsys.readouterr().out == "hello|7|f|env:X|2|['a']\n"
    assert run(["greet", "--", "--seed"]) == 0
    assert capsys.readouterr().out == "--seed|None|None|cache|0|[]\n"


def test_help_of_a_front_end_is_plain_and_its_own(frontend: Install, capsys: Capture) -> None:
    frontend("greet")
    assert run(["greet", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: mistralrs greet [OPTIONS] [text]")
    assert "completion" not in text


def test_a_front_end_may_have_commands_of_its_own(frontend: Install, capsys: Capture) -> None:
    app = """
        import typer

        app = typer.Typer(help="Group.")

        @app.command()
        def one(): print("one")

        @app.command()
        def two(ctx: typer.Context): print("two", ctx.obj.seed)
    """
    frontend("greet", app)
    assert run(["greet", "two", "--seed", "3"]) == 0
    assert capsys.readouterr().out == "two 3\n"


def test_a_callback_may_be_the_command(frontend: Install, capsys: Capture) -> None:
    app = """
        import typer

        app = typer.Typer(invoke_without_command=True)

        @app.callback()
        def command(name: str = "you"): print("hi", name)
    """
    frontend("greet", app)
    assert run(["greet", "--name", "me"]) == 0
    assert capsys.readouterr().out == "hi me\n"


@pytest.mark.parametrize(
    ("fail", "status", "words"),
    [
        ("error", 2, "error: no such model\nhint: look elsewhere\n"),
        ("bug", 1, "error: internal error: RuntimeError: a bug\nhint: -v shows where; please report it\n"),
        ("exit", 1, ""),
        ("interrupt", 130, ""),
    ],
)
def test_each_failure_has_its_status_and_words(
    fail: str, status: int, words: str, frontend: Install, capsys: Capture
) -> None:
    frontend("greet")
    assert run(["greet", "--fail", fail]) == status
    assert capsys.readouterr() == ("", words)


def test_verbose_shows_where(frontend: Install, capsys: Capture) -> None:
    frontend("greet")
    assert run(["greet", "--fail", "bug", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grete"], "error: there is no command 'grete'; did you mean 'greet'?\nhint: mistralrs --help\n"),
        (["pluginz"], "error: there is no command 'pluginz'; did you mean 'plugins'"),
        (["greet", "--nope"], "No such option: --nope"),
        (["--seed", "-1", "greet"], "-1 is not in the range 0<=x<=18446744073709551615"),
        (["--seed", "x", "greet"], "'x' is not a valid int"),
        (["greet", "--seed"], "error: --seed needs a value"),
        (["greet", "--registry", "/nowhere.toml"], "error: there is no registry file /nowhere.toml"),
        (["greet", "--no-plugin", "kernels/torch"], "error: --no-plugin: kernels/torch cannot be disabled"),
        (
            ["greet", "--no-plugin", "greet"],
            "frontend/greet from acme-greet 1.0 is disabled: by --no-plugin, as 'greet'",
        ),
        ([], "Usage: mistralrs [OPTIONS] COMMAND"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], words: str, frontend: Install, capsys: Capture) -> None:
    frontend("greet")
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_a_token_given_by_mistake_is_not_repeated(frontend: Install, capsys: Capture) -> None:
    frontend("greet")
    assert run(["--token-source", "hf_secret", "greet"]) == 2
    assert "hf_secret" not in capsys.readouterr().err


def test_a_broken_front_end_is_an_error_only_when_it_is_called(
    dists: Distributions, frontend: Install, capsys: Capture
) -> None:
    frontend("greet")
    dists.plugin("bad", "import does_not_exist", kind="frontends")
    assert run(["greet", "x"]) == 0
    assert run(["--help"]) == 0
    assert "bad" not in capsys.readouterr().out
    assert run(["bad"]) == 2
    assert "frontend/bad from bad 1.0 is broken: ModuleNotFoundError: No module" in capsys.readouterr().err


def test_a_front_end_whose_app_is_wrong_is_its_own_defect(frontend: Install, capsys: Capture) -> None:
    frontend("greet", "app = 3")
    assert run(["greet"]) == 2
    assert "error: frontend/greet: greet_app:app is a int, not a typer.Typer" in capsys.readouterr().err
    frontend("other", "raise SystemExit(0)")
    assert run(["other"]) == 2
    assert "frontend/other from acme-other 1.0 failed to load other_app:app: SystemExit: 0" in capsys.readouterr().err


def test_an_unavailable_front_end_is_listed_with_what_it_needs(frontend: Install, capsys: Capture) -> None:
    frontend("greet", requires=("no_such_package",))
    assert run(["--help"]) == 0
    assert "The greet command. (needs 'no_such_package')" in capsys.readouterr().out
    assert run(["greet"]) == 2
    assert (
        "error: frontend/greet from acme-greet 1.0 needs 'no_such_package'\nhint: install the package"
        in capsys.readouterr().err
    )


def test_two_front_ends_of_one_name_are_a_conflict_when_called(
    dists: Distributions, frontend: Install, capsys: Capture
) -> None:
    frontend("greet")
    source = (dists.root / "greet_plugin.py").read_text()
    dists.plugin("bob", source, kind="frontends", name="greet")
    assert run(["--help"]) == 0
    assert run(["greet"]) == 2
    assert "2 plugins provide frontend 'greet'" in capsys.readouterr().err


def test_version(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"mistralrs {mistralrs.__version__}\n"


def test_the_module_is_the_command(
    frontend: Install, mistralrs: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    frontend("greet")
    done = mistralrs("greet", "hello", "--seed", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello|5|None|cache|0|[]\n", "")
    done = mistralrs("greet", "--fail", "error")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: no such model\nhint: look elsewhere\n")
