"""Who serves a key: built-ins before third parties, what registry.toml says before both, never by chance."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from distributions import Distributions

from mistralrs.errors import PluginError
from mistralrs.plugin import ModelFacts, Ref
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.records import Status

MakeHost = Callable[..., PluginHost]


def test_a_built_in_wins_and_the_loser_shows_the_line_that_would_change_it(
    dists: Distributions, make_host: MakeHost
) -> None:
    dists.architecture("mistralrs-py", name="llama", keys=("LlamaForCausalLM",))
    dists.architecture("acme-llama", version="2.0", keys=("LlamaForCausalLM", "AcmeForCausalLM"))
    host = make_host()
    assert host.resolve("architecture", "LlamaForCausalLM").name == "llama"
    loser = host.find("acme-llama")
    assert loser.status is Status.SHADOWED
    assert loser.reason == (
        "'LlamaForCausalLM' is served by architecture/llama from mistralrs-py 1.0; "
        'to change that: [prefer] "architecture:LlamaForCausalLM" = "acme-llama"'
    )
    assert host.resolve("architecture", "AcmeForCausalLM").name == "acme-llama"
    assert [spec.name for spec in host.specs("architecture")] == ["llama", "acme-llama"]


@pytest.mark.parametrize("choice", ["acme", "foo", "architecture/foo", "architecture/foo@acme"])
def test_prefer_decides(choice: str, dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("mistralrs-py", name="llama", keys=("LlamaForCausalLM",))
    dists.architecture("acme", name="foo", keys=("LlamaForCausalLM",))
    host = make_host(
        prefer={"architecture:LlamaForCausalLM": choice},
        layers={"prefer architecture:LlamaForCausalLM": "/etc/my.toml"},
    )
    assert host.resolve("architecture", "LlamaForCausalLM").name == "foo"
    loser = host.find("llama")
    assert loser.status is Status.SHADOWED
    assert loser.reason.endswith("is served by architecture/foo from acme 1.0, as [prefer] in /etc/my.toml says")


def test_a_preferred_plugin_that_is_not_there_is_an_error(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("mistralrs-py", name="llama", keys=("LlamaForCausalLM",))
    host = make_host(
        prefer={"architecture:LlamaForCausalLM": "gone"}, layers={"prefer architecture:LlamaForCausalLM": "/my.toml"}
    )
    assert host.find("llama").status is not Status.SHADOWED
    with pytest.raises(PluginError) as caught:
        host.resolve("architecture", "LlamaForCausalLM")
    message = "no architecture plugin provides 'LlamaForCausalLM' as 'gone', which [prefer] in /my.toml asks for"
    assert caught.value.message == message


def test_two_third_parties_are_an_error_when_the_key_is_used(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme-foo", name="foo", keys=("FooForCausalLM",))
    dists.architecture("bob-foo", name="foo", version="1.1", keys=("FooForCausalLM", "BobForCausalLM"))
    host = make_host()
    assert host.resolve("architecture", "BobForCausalLM").name == "foo"
    assert {record.status for record in host.load("architecture")} == {Status.ACTIVE}
    with pytest.raises(PluginError) as caught:
        host.resolve("architecture", "FooForCausalLM")
    assert caught.value.message == (
        "2 plugins provide architecture 'FooForCausalLM': architecture/foo from acme-foo 1.0, "
        "architecture/foo from bob-foo 1.1. Choose one in registry.toml: "
        '[prefer] "architecture:FooForCausalLM" = "<distribution>"'
    )
    assert caught.value.exit_code == 2


MATCHES = """
def matches(metadata, tensors):
    return {score}
"""


def shared_key(dists: Distributions, scores: dict[str, str], distribution: str = "mistralrs-py") -> None:
    """Built-ins that share the key ``gguf:llama``, each with the expression that scores a checkpoint."""
    modules, entries = {}, {}
    for name, score in scores.items():
        modules[f"shared_{name}"] = f"""
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

@hookimpl
def mistralrs_register_architectures():
    yield ArchitectureSpec(name="{name}", summary="", gguf_names=("llama",), config=Ref("x:y"), build=Ref("x:y"),
                           matches=Ref("shared_{name}:matches"))
{MATCHES.format(score=score)}
"""
        entries[name] = f"shared_{name}"
    dists.add(distribution, entry_points={"mistralrs.architectures": entries}, modules=modules)


def test_the_best_match_wins_a_shared_key(dists: Distributions, make_host: MakeHost) -> None:
    shared_key(dists, {"dense": "1", "moe": "9 if 'experts' in tensors else -1"})
    host = make_host()
    assert host.resolve("architecture", "gguf:llama", facts=ModelFacts({}, {"experts"})).name == "moe"
    assert host.resolve("architecture", "gguf:llama", facts=ModelFacts({}, set())).name == "dense"
    assert {record.status for record in host.load("architecture")} == {Status.ACTIVE}


def test_a_third_party_cannot_outscore_a_built_in(dists: Distributions, make_host: MakeHost) -> None:
    shared_key(dists, {"dense": "1"})
    shared_key(dists, {"greedy": "1000"}, distribution="acme")
    assert make_host().resolve("architecture", "gguf:llama", facts=ModelFacts({}, ())).name == "dense"


def test_equal_matches_are_a_conflict_and_no_match_an_error(dists: Distributions, make_host: MakeHost) -> None:
    shared_key(dists, {"one": "metadata['score']", "two": "metadata['score']"})
    host = make_host()
    with pytest.raises(PluginError, match="2 plugins provide architecture 'gguf:llama'"):
        host.resolve("architecture", "gguf:llama", facts=ModelFacts({"score": 3}, ()))
    with pytest.raises(PluginError, match="this model fits none of the plugins that share its key"):
        host.resolve("architecture", "gguf:llama", facts=ModelFacts({"score": -3}, ()))
    with pytest.raises(PluginError, match=r"shared_one:matches of architecture/one from mistralrs-py 1.0 failed"):
        host.resolve("architecture", "gguf:llama", facts=ModelFacts({}, ()))


def test_a_missing_architecture_is_named_with_near_matches(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("mistralrs-py", name="qwen2", keys=("Qwen2ForCausalLM",))
    host = make_host()
    with pytest.raises(PluginError) as caught:
        host.resolve("architecture", "Qwen3ForCausalLM")
    message = "no architecture plugin provides 'Qwen3ForCausalLM'; did you mean 'Qwen2ForCausalLM'?"
    assert caught.value.message == message
    assert caught.value.hint == "mistralrs plugins list --kind architecture"
    assert not host.provides("architecture", "Qwen3ForCausalLM")
    assert host.provides("architecture", "Qwen2ForCausalLM")


def test_a_missing_kind_of_plugin_lists_what_is_known(dists: Distributions, make_host: MakeHost) -> None:
    with pytest.raises(PluginError, match=r"no format plugin provides '.gguf'; known: none"):
        make_host().resolve("format", ".gguf")
    dists.architecture("acme", keys=tuple(f"Model{number}" for number in range(20)))
    with pytest.raises(PluginError, match=r"known: 'Model0', .* and 9 more"):
        make_host().resolve("architecture", "zzz")
    with pytest.raises(PluginError, match="there is no plugin kind 'formats'; did you mean 'format'"):
        make_host().resolve("formats", ".gguf")


def test_a_key_from_a_hostile_file_is_cut(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", keys=("A",))
    with pytest.raises(PluginError) as caught:
        make_host().resolve("architecture", "\x1b[31m\n" + "A" * 10**6)
    assert len(caught.value.message) < 300
    assert caught.value.message.isprintable()


def test_a_disabled_plugin_is_named_when_its_key_is_used(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("mistralrs-py", name="qwen3", keys=("Qwen3ForCausalLM",))
    host = make_host(disabled={"qwen3"}, layers={"disable qwen3": "--no-plugin"})
    with pytest.raises(PluginError) as caught:
        host.resolve("architecture", "Qwen3ForCausalLM")
    assert caught.value.message == (
        "no architecture plugin provides 'Qwen3ForCausalLM': architecture/qwen3 from mistralrs-py 1.0 is disabled: "
        "by --no-plugin, as 'qwen3'"
    )


@pytest.mark.parametrize("name", ["architecture/bad", "bad", "bad-dist", "architecture/bad@bad-dist"])
def test_a_disabled_plugin_is_listed_and_never_imported(name: str, dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("bad-dist", "raise SystemExit('imported')", name="bad")
    (record,) = make_host(disabled={name}).load("architecture")
    assert (record.status, record.reason) == (Status.DISABLED, f"by the program, as {name!r}")


def test_the_allow_list_concerns_third_parties_only(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("mistralrs-py", name="llama", keys=("LlamaForCausalLM",))
    dists.architecture("acme", keys=("AcmeForCausalLM",))
    dists.architecture("bob", keys=("BobForCausalLM",))
    host = make_host(only={"acme"}, layers={"only": "MISTRALRS_PLUGINS"})
    statuses = {record.name: record.status for record in host.load("architecture")}
    assert statuses == {"llama": Status.ACTIVE, "acme": Status.ACTIVE, "bob": Status.DISABLED}
    assert host.find("bob").reason == "not in the allow-list of MISTRALRS_PLUGINS"


def test_find_wants_a_name_that_only_one_plugin_has(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", name="foo")
    dists.architecture("bob", name="foo")
    host = make_host()
    assert host.find("architecture/foo@bob").distribution == "bob"
    with pytest.raises(PluginError, match="2 plugins are called 'foo'") as caught:
        host.find("foo")
    assert caught.value.hint == "say which: architecture/foo@acme, architecture/foo@bob"
    with pytest.raises(PluginError, match="no plugin is called 'fooo'; did you mean 'foo'"):
        host.find("fooo")


def test_references_load_with_the_plugins_name_on_what_fails(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", keys=("A",))
    host = make_host()
    spec = host.resolve("architecture", "A")
    assert host.load_ref(spec, spec.build)() == "built by acme"
    assert host.load_ref(host.find("acme"), spec.build)() == "built by acme"
    with pytest.raises(PluginError, match=r"architecture/acme from acme 1.0 failed to load acme_acme:nope: Attribute"):
        host.load_ref(spec, Ref("acme_acme:nope"))
    travelled = pickle.loads(pickle.dumps(spec))
    assert travelled == spec
    assert host.owner(travelled) is None
    with pytest.raises(PluginError, match=r"^architecture/acme failed to load nope:nope: ModuleNotFoundError"):
        host.load_ref(travelled, Ref("nope:nope"))


def test_only_a_stated_package_counts_as_missing(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", keys=("A",), more="requires=('vanishing',),")
    dists.add("acme-code", modules={"vanishing": "", "acme_code": "import vanishing.part", "buggy": "import typo_x"})
    host = make_host()
    spec = host.resolve("architecture", "A")
    with pytest.raises(PluginError, match="failed to load buggy:x: ModuleNotFoundError: No module named 'typo_x'"):
        host.load_ref(spec, Ref("buggy:x"))
    assert host.find("acme").status is Status.ACTIVE
    with pytest.raises(PluginError, match=r"architecture/acme from acme 1.0 needs 'vanishing'") as caught:
        host.load_ref(spec, Ref("acme_code:x"))
    assert caught.value.hint == "install the package that provides the module 'vanishing'"
    assert host.find("acme").status is Status.UNAVAILABLE


def test_a_reference_that_ends_the_process_does_not(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", keys=("A",))
    dists.add("exits", modules={"exits": "raise SystemExit(0)"})
    host = make_host()
    with pytest.raises(PluginError, match="failed to load exits:x: SystemExit: 0"):
        host.load_ref(host.resolve("architecture", "A"), Ref("exits:x"))


def test_options_come_from_the_policy(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", keys=("A",))
    host = make_host(options={"architecture/acme": {"size": 3}})
    assert host.options(host.resolve("architecture", "A")) == {"size": 3}
    assert make_host().options(make_host().resolve("architecture", "A")) == {}


@pytest.mark.parametrize("spelled", ["acme-2-5-moe", "acme_2_5_moe", "acme2.5moe", "Acme-2.5-MoE"])
def test_of_a_name_only_letters_and_digits_count(spelled: str, dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", name="acme-2-5-moe", keys=("AcmeForCausalLM",))
    host = make_host()
    assert host.resolve("architecture", spelled).name == "acme-2-5-moe"
    assert host.provides("architecture", spelled)
    with pytest.raises(PluginError, match="did you mean 'AcmeForCausalLM'"):
        host.resolve("architecture", "AcmeForCausalLN")


def test_a_name_as_it_is_goes_before_one_that_is_spelled_alike(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("first", name="acme-1")
    dists.architecture("second", name="acme_1")
    host = make_host()
    assert host.resolve("architecture", "acme_1").name == "acme_1"
    assert host.resolve("architecture", "acme_1").name == "acme_1"
