"""enable, disable, install, uninstall and doctor: what they change, and what they leave alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributions import Distributions
from ecosystem import Environment, build_wheels

from mistralrs.cli.main import run
from mistralrs.plugin import doctor
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy, load_policy, user_registry

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def dists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    root = tmp_path / "site"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    before = set(sys.modules)
    yield Distributions(root)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(root)):
            del sys.modules[name]


def test_disable_and_enable(capsys: Capture) -> None:
    assert run(["plugins", "disable", "qwen3"]) == 0
    assert load_policy().disabled == {"architecture/qwen3"}
    assert str(user_registry()) in capsys.readouterr().out
    assert run(["plugins", "disable", "architecture/qwen3"]) == 0
    assert "already" in capsys.readouterr().out
    assert run(["plugins", "enable", "architecture/qwen3"]) == 0
    assert load_policy().disabled == set()


def test_what_the_user_wrote_stays(dists: Distributions) -> None:
    dists.architecture("acme")
    path = user_registry()
    path.parent.mkdir(parents=True)
    text = """# mine
version = 1

[plugins]  # who may load
disable = [
    "format/gguf",  # slow here
]

[models]
tiny = "./tiny"  # a toy
"""
    path.write_text(text)
    assert run(["plugins", "disable", "acme"]) == 0
    changed = path.read_text()
    for comment in ("# mine", "# who may load", "# slow here", "# a toy"):
        assert comment in changed
    assert load_policy().disabled == {"format/gguf", "acme"}
    assert run(["plugins", "enable", "acme"]) == 0
    assert load_policy().disabled == {"format/gguf"}
    assert "# slow here" in path.read_text()


def test_a_link_stays_a_link_and_the_mode_is_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.toml", user_registry()
    real.write_text("version = 1\n")
    real.chmod(0o640)
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert run(["plugins", "disable", "qwen3"]) == 0
    assert link.is_symlink()
    assert "qwen3" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["disable", "qwen33"], "did you mean"),
        (["disable", "kernels/torch"], "nothing works without it"),
        (["enable", "qwen3"], "is not disabled"),
        (["uninstall", "architecture/llama"], "comes with mistralrs-py itself"),
        (["uninstall", "nothing-like-it"], "no distributions are meant"),
        (["check", "llamma"], "did you mean"),
    ],
)
def test_mistakes_are_named(arguments: list[str], problem: str, capsys: Capture) -> None:
    assert run(["plugins", *arguments]) == 2
    assert problem in capsys.readouterr().err
    assert not user_registry().exists()


def test_enable_says_who_else_disables(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("MISTRALRS_DISABLE_PLUGINS", "architecture/qwen3")
    assert run(["plugins", "enable", "qwen3"]) == 2
    assert "MISTRALRS_DISABLE_PLUGINS" in capsys.readouterr().err


def test_one_plugin_of_a_disabled_distribution(dists: Distributions, capsys: Capture) -> None:
    dists.architecture("acme-both", name="acme-one")
    assert run(["plugins", "disable", "acme-both"]) == 0
    assert run(["plugins", "enable", "acme-one"]) == 2
    assert "mistralrs plugins enable acme-both" in capsys.readouterr().err
    assert run(["plugins", "enable", "acme-both"]) == 0
    assert load_policy().disabled == set()


@pytest.mark.slow
def test_install_and_uninstall_say_what_changed(environment: Environment, tmp_path: Path) -> None:
    environment.mistralrs("plugins", "new", "--kind", "observer", "acme-new", "--into", tmp_path)
    [wheel] = build_wheels([tmp_path / "mistralrs-acme-new"], tmp_path)
    added = environment.mistralrs("plugins", "install", wheel, "--", "--no-deps", "--no-index")
    assert [line.split()[:4] for line in added.splitlines()[1:]] == [
        ["added", "observer/acme-new", "mistralrs-acme-new", "0.1.0"]
    ]
    assert environment.plugins()["observer/acme-new"]["status"] == "active"
    removed = environment.mistralrs("plugins", "uninstall", "acme-new", "--yes")
    assert [line.split()[:2] for line in removed.splitlines()[1:]] == [["removed", "observer/acme-new"]]
    assert "observer/acme-new" not in environment.plugins()


def test_the_doctor_is_content(capsys: Capture) -> None:
    assert run(["plugins", "doctor"]) == 0
    assert capsys.readouterr().out == "every plugin is in order\n"


def test_the_doctor_sees_a_stale_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    new = tmp_path / "plugins" / "mistralrs_plugins" / "architectures" / "brand_new"
    new.mkdir(parents=True)
    (new / "plugin.py").touch()
    monkeypatch.setattr(doctor, "_builtin_root", lambda: new.parents[1])
    found = {each.subject: each for each in doctor.diagnose(PluginHost())}
    fresh = found["mistralrs_plugins.architectures.brand_new.plugin"]
    assert (fresh.level, fresh.fix) == ("error", f"pip install --no-deps -e {tmp_path}")
    assert "entry point without a folder" in found["mistralrs_plugins.kernels.torch.plugin"].problem


def test_the_doctor_warns_of_the_original(dists: Distributions) -> None:
    dists.add("mistralrs", "0.9.2")
    first = doctor.diagnose(PluginHost())[0]
    assert first.subject == "mistralrs"
    assert "pip uninstall mistralrs" in first.fix


def test_the_doctor_reads_the_policy(dists: Distributions) -> None:
    policy = Policy(
        disabled=frozenset({"architecture/lama"}),
        prefer={"architecture:LlamaForCausalLM": "gone"},
        options={"kernels/gone": {"x": 1}},
    )
    problems = [each.problem for each in doctor.diagnose(PluginHost(policy))]
    assert any("disables 'architecture/lama'" in each and "architecture/llama" in each for each in problems)
    assert any("prefers 'gone'" in each for each in problems)


def test_options_are_checked_by_the_plugins_schema(dists: Distributions) -> None:
    source = """
from mistralrs.plugin import KernelsSpec, Ref, hookimpl
MISTRALRS_API = "1.0"

@hookimpl
def mistralrs_register_kernels():
    yield KernelsSpec(name="acme", summary="s", devices=("cpu",), priority=1,
                      backend=Ref("acme_acme_code:Backend"), options=Ref("acme_acme_code:Options"))
"""
    code = """
from dataclasses import dataclass
from pydantic import BaseModel

class Options(BaseModel):
    block_size: int = 16

class Backend:
    def __init__(self, options):
        self.options = options
"""
    dists.plugin("acme", source, kind="kernels")
    (dists.root / "acme_acme_code.py").write_text(code)

    def made(**options: Any) -> Any:
        host = PluginHost(Policy(options={"kernels/acme": options}), dists.entry_points())
        spec = host.resolve("kernels", "acme")
        return host.make(spec, spec.backend).options.block_size

    assert made() == 16
    assert made(block_size=32) == 32
    with pytest.raises(Exception, match=r"unknown key 'block_sise'; did you mean 'block_size'\?"):
        made(block_sise=32)
    with pytest.raises(Exception, match=r"block_size: "):
        made(block_size="many")


def test_options_for_a_plugin_that_takes_none_are_an_error() -> None:
    host = PluginHost(Policy(options={"kernels/torch": {"x": 1}}))
    spec = host.resolve("kernels", "torch")
    with pytest.raises(Exception, match="takes no options"):
        host.make(spec, spec.backend)


def test_check_prints_a_table(capsys: Capture) -> None:
    assert run(["plugins", "check", "source/local"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TEST", "RESULT", "CASES", "NOTE"]
    assert lines[-2].startswith("source/local@mistralrs-py: ")


def test_check_fails_for_a_broken_plugin(
    dists: Distributions, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    dists.architecture("acme")
    monkeypatch.setenv("PYTHONPATH", str(dists.root))
    assert run(["plugins", "check", "acme", "--json"]) == 1
    rows = {row["test"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["it loads"]["result"] == "passed"
    assert rows["unknown config keys are ignored"]["result"] == "failed"
