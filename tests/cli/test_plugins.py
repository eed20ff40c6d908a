"""``mistralrs plugins``: what it prints, as columns and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from distributions import Distributions

from mistralrs.cli.main import run

Capture = pytest.CaptureFixture[str]


def listed(capsys: Capture, *arguments: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]]
    run(["plugins", "list", "--json", "--third-party", *arguments])
    rows = json.loads(capsys.readouterr().out)
    return rows


def test_the_names_in_the_json_are_a_promise(dists: Distributions, capsys: Capture) -> None:
    dists.architecture("acme", version="2.0", keys=("AcmeForCausalLM",))
    expected = {
        "id": "architecture/acme",
        "kind": "architecture",
        "name": "acme",
        "version": "2.0",
        "distribution": "acme",
        "status": "found",
        "reason": "",
        "keys": [],
    }
    assert listed(capsys) == [expected]
    assert listed(capsys, "--load") == [expected | {"status": "active", "keys": ["acme", "AcmeForCausalLM"]}]
    assert listed(capsys, "--kind", "format") == []


def test_a_pipe_gets_plain_columns_and_the_footer(dists: Distributions, capsys: Capture) -> None:
    dists.architecture("acme", version="2.0", keys=("AcmeForCausalLM",))
    assert run(["plugins", "list", "--third-party", "--kind", "architecture"]) == 0
    head, row, footer = capsys.readouterr().out.splitlines()
    assert head.split() == ["PLUGIN", "VERSION", "FROM", "STATUS", "NOTE"]
    assert row.split() == ["architecture/acme", "2.0", "acme", "found"]
    assert head.index("VERSION") == row.index("2.0")
    assert footer.endswith(
        "1 from other distributions. `--load` imports and checks them, `--kind K`, `--json`, `--third-party`."
    )


def test_the_built_ins_are_listed(capsys: Capture) -> None:
    assert run(["plugins", "list", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["kernels/torch"]["distribution"] == "mistralrs-py"


def test_a_terminal_gets_a_table(dists: Distributions, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    dists.plugin("bad", "raise ValueError('[red]markup[/red]')")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run(["plugins", "list", "--load", "--third-party"]) == 1
    text = capsys.readouterr().out
    assert "architecture/bad" in text
    assert "[red]markup" in text


def test_load_fails_when_one_is_broken_and_only_then(dists: Distributions, capsys: Capture) -> None:
    dists.architecture("old", api="9.0")
    assert run(["plugins", "list", "--load", "--kind", "architecture"]) == 0
    dists.plugin("bad", "import does_not_exist")
    assert run(["plugins", "list", "--kind", "architecture"]) == 0
    assert run(["plugins", "list", "--load", "--kind", "format"]) == 0
    capsys.readouterr()
    assert run(["plugins", "list", "--load", "--kind", "architecture"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "architecture/bad" in line)
    assert line.endswith("ModuleNotFoundError: No module named 'does_not_exist'")


def test_json_is_all_there_is_on_stdout(dists: Distributions, capsys: Capture) -> None:
    dists.plugin("loud", "print('noise')")
    assert run(["plugins", "list", "--load", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)


def test_a_wrong_kind_is_wrong_usage(capsys: Capture) -> None:
    assert run(["plugins", "list", "--kind", "formats"]) == 2
    assert "there is no plugin kind 'formats'; did you mean 'format'?" in capsys.readouterr().err


def test_show_tells_what_it_is_and_who_decided(dists: Distributions, tmp_path: Path, capsys: Capture) -> None:
    dists.architecture("acme", keys=("LlamaForCausalLM",))
    registry = tmp_path / "mine.toml"
    registry.write_text('[prefer]\n"architecture:LlamaForCausalLM" = "acme"\n[options."architecture/acme"]\nsize = 3\n')
    arguments = ["plugins", "show", "architecture/acme", "--registry", str(registry)]
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "active"
    assert found["keys"] == ["acme", "LlamaForCausalLM"]
    assert found["entry_point"] == "acme_acme"
    assert found["file"] == str(dists.root / "acme_acme.py")
    assert found["refs"] == ["config = acme_acme:Config", "build = acme_acme:build"]
    assert found["decided_by"] == [
        f'[prefer] "architecture:LlamaForCausalLM" = "acme" in {registry}',
        f'[options."architecture/acme"] size = 3 in {registry}',
    ]
    assert run(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "architecture/acme"]
    assert "              build = acme_acme:build" in lines


def test_show_names_the_layer_that_disabled_a_plugin(dists: Distributions, capsys: Capture) -> None:
    dists.plugin("bad", "raise SystemExit")
    assert run(["plugins", "show", "bad", "--no-plugin", "bad", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["decided_by"]) == ("disabled", ["disabled by --no-plugin, as 'bad'"])


def test_show_of_a_stray_and_of_nothing(dists: Distributions, capsys: Capture) -> None:
    dists.add("acme", entry_points={"mistralrs.formattes": {"acme": "acme"}})
    assert run(["plugins", "show", "formattes/acme"]) == 0
    assert "no kind owns the group 'mistralrs.formattes'" in capsys.readouterr().out
    assert run(["plugins", "show", "nothing-like-it"]) == 2
    assert "error: no plugin is called 'nothing-like-it'" in capsys.readouterr().err


def test_the_safe_mode_lists_third_parties_without_importing_them(
    dists: Distributions, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dists.plugin("acme", "raise SystemExit('imported')")
    monkeypatch.setenv("MISTRALRS_PLUGINS", "")
    (row,) = listed(capsys, "--load")
    assert (row["status"], row["reason"]) == ("disabled", "not in the allow-list of MISTRALRS_PLUGINS")
