from __future__ import annotations

import pytest

from mistralrs.cli.argv import hoist
from mistralrs.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "hoisted"),
    [
        ("run -m x", "run -m x"),
        ("run --seed 7 -m x", "--seed 7 run -m x"),
        ("--log a run --seed=7 -vv", "--log a --seed=7 -vv run"),
        ("cache list -l f --no-plugin a --no-plugin=b", "-l f --no-plugin a --no-plugin=b cache list"),
        (
            "run --token-source env:T --registry r.toml --verbose",
            "--token-source env:T --registry r.toml --verbose run",
        ),
        ("run -- --seed 7 -v", "run -- --seed 7 -v"),
        ("run -v -- -v", "-v run -- -v"),
        ("run --version", "run --version"),
        ("run -lfile -vx --seeds 1", "run -lfile -vx --seeds 1"),
        ("config.toml", "config.toml"),
        ("", ""),
    ],
)
def test_global_options_move_in_front(arguments: str, hoisted: str) -> None:
    assert hoist(arguments.split()) == hoisted.split()


def test_a_prompt_that_begins_like_an_option_stays() -> None:
    arguments = ["run", "-i", "-l is a flag of ls", "--log=", "f"]
    assert hoist(arguments) == ["--log=", "run", "-i", "-l is a flag of ls", "f"]


def test_an_option_without_its_value_is_an_error() -> None:
    with pytest.raises(UsageError, match="--seed needs a value"):
        hoist(["run", "--seed"])
