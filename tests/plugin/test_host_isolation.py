"""One plugin's mistake is one line on its record; every other plugin goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from distributions import ARCHITECTURE, Distributions

from mistralrs.errors import PluginError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.records import PluginRecord, Status

MakeHost = Callable[..., PluginHost]

HEAD = "from mistralrs.plugin import ArchitectureSpec, FormatSpec, Ref, hookimpl\n"
HOOK = "@hookimpl\ndef mistralrs_register_architectures():\n"


def spec(name: str = "bad", hf_names: str = "('A',)") -> str:
    return f"ArchitectureSpec(name='{name}', summary='', hf_names={hf_names}, config=Ref('x:y'), build=Ref('x:y'))"


def declares(*items: str) -> str:
    """A declaration whose hook yields these expressions."""
    return HEAD + HOOK + "".join(f"    yield {item}\n" for item in items)


BROKEN = {
    "import": ("import does_not_exist", "ModuleNotFoundError: No module named 'does_not_exist'"),
    "exit at import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "exit in hook": (HEAD + HOOK + "    raise SystemExit", "SystemExit"),
    "syntax": ("def f(:", "SyntaxError"),
    "hook raises": (HEAD + HOOK + "    raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "half a generator": (declares(spec()) + "    raise KeyError('late')", "KeyError: 'late'"),
    "not iterable": (HEAD + HOOK + "    return 3", "TypeError: 'int' object is not iterable"),
    "other spec": (
        declares("FormatSpec(name='bad', summary='', suffixes=('.x',), opener=Ref('x:y'))"),
        "mistralrs_register_architectures gave FormatSpec, not ArchitectureSpec",
    ),
    "nothing": (HEAD, "bad_bad implements none of: mistralrs_register_architectures"),
    "empty": (HEAD + HOOK + "    return ()", "the entry point is called 'bad', but the plugin declares nothing"),
    "other name": (
        declares(spec("good")),
        "the entry point is called 'bad', but the plugin declares 'good'",
    ),
    "key twice in two specs": (
        declares(spec(), spec("good")),
        "gives the key 'A' twice",
    ),
    "key twice in one spec": (
        declares(spec(hf_names="('A', 'A')")),
        "ValueError: the key 'A' is given twice",
    ),
    "names as text": (
        declares(spec(hf_names="'Llama'")),
        "ValueError: ArchitectureSpec: hf_names must be a tuple of non-empty strings",
    ),
    "misspelt hook": (
        HEAD + "@hookimpl\ndef mistralrs_register_architecture():\n    return ()",
        "there is no hook 'mistralrs_register_architecture'; did you mean 'mistralrs_register_architectures'",
    ),
    "wrong arguments": (
        HEAD + "@hookimpl\ndef mistralrs_register_architectures(config):\n    return ()",
        "PluginValidationError",
    ),
    "wrapper": (
        HEAD + "@hookimpl(wrapper=True)\ndef mistralrs_register_architectures():\n    return (yield)",
        "mistralrs_register_architectures cannot be a wrapper",
    ),
    "api is a number": (HEAD + "MISTRALRS_API = 1.0", "MISTRALRS_API must be a string 'major.minor', not 1.0"),
}


def only(records: list[PluginRecord], name: str) -> PluginRecord:
    (found,) = [record for record in records if record.name == name]
    return found


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_reported_and_the_others_go_on(case: str, dists: Distributions, make_host: MakeHost) -> None:
    source, reason = BROKEN[case]
    dists.plugin("bad", source)
    dists.architecture("good", keys=("GoodForCausalLM",))
    host = make_host()
    record = only(host.load("architecture"), "bad")
    assert (record.status, record.specs) == (Status.BROKEN, [])
    assert reason in record.reason
    assert "\n" not in record.reason
    assert host.resolve("architecture", "GoodForCausalLM").name == "good"
    assert [spec.name for spec in host.specs("architecture")] == ["good"]


def test_a_plugin_that_failed_half_way_leaves_no_hook_behind(dists: Distributions, make_host: MakeHost) -> None:
    claim = "@hookimpl\ndef mistralrs_claim_architecture(config):\n    return 'bad'\n"
    dists.plugin("bad", HEAD + claim + HOOK + "    raise RuntimeError")
    assert make_host().decide("claim_architecture", config={}) is None


def test_strict_raises_with_the_cause(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("bad", "import does_not_exist")
    with pytest.raises(PluginError, match=r"architecture/bad from bad 1.0 is broken: ModuleNotFoundError") as caught:
        make_host(strict=True).load("architecture")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_keyboard_interrupt_is_the_users(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        make_host().load("architecture")


def test_what_a_declaration_prints_stays_off_stdout(
    dists: Distributions, make_host: MakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    dists.plugin("loud", "print('hello from import')")
    make_host().load("architecture")
    assert capsys.readouterr().out == ""


def test_the_same_entry_point_name_in_two_distributions_is_legal(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", name="foo", keys=("AcmeForCausalLM",))
    dists.architecture("bob", name="foo", keys=("BobForCausalLM",))
    host = make_host()
    assert [(r.full_id, r.status) for r in host.load("architecture")] == [
        ("architecture/foo@acme", Status.ACTIVE),
        ("architecture/foo@bob", Status.ACTIVE),
    ]
    assert host.owner(host.resolve("architecture", "BobForCausalLM")) is host.find("architecture/foo@bob")


def test_one_module_may_declare_two_kinds_but_not_one_kind_twice(dists: Distributions, make_host: MakeHost) -> None:
    extra = "@hookimpl\ndef mistralrs_register_formats():\n    yield FormatSpec("
    extra += "name='fmt', summary='', suffixes=('.f',), opener=Ref('x:y'))\n"
    dists.add(
        "acme",
        entry_points={
            "mistralrs.architectures": {"bad": "acme_mod", "twin": "acme_mod"},
            "mistralrs.formats": {"fmt": "acme_mod"},
        },
        modules={"acme_mod": declares(spec()) + extra},
    )
    host = make_host()
    assert only(host.load("architecture"), "bad").status is Status.ACTIVE
    assert "shares its module with architecture/bad@acme" in only(host.load("architecture"), "twin").reason
    assert host.resolve("format", ".f").name == "fmt"


def test_a_declaration_for_another_major_version_is_incompatible(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("old", api="2.0", keys=("OldForCausalLM",))
    (record,) = make_host().load("architecture")
    assert record.status is Status.INCOMPATIBLE
    assert record.reason == "written for plugin API 2.0, this is 1.0"
    assert record.specs == []


def test_a_newer_minor_version_loads_and_warns(
    dists: Distributions, make_host: MakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    more = "\n@hookimpl\ndef mistralrs_of_tomorrow():\n    pass\n"
    source = ARCHITECTURE.format(name="new", keys=("N",), api="1.7", module="new_new", more="")
    dists.plugin("new", source + more)
    host = make_host()
    (record,) = host.load("architecture")
    host.load("architecture")
    assert record.status is Status.ACTIVE
    assert record.reason == "written for plugin API 1.7, newer than 1.0"
    assert [entry.message for entry in caplog.records] == [
        "architecture/new from new 1.0 was written for plugin API 1.7, newer than 1.0"
    ]


def test_an_unmet_requirement_explains_a_failed_import(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("next", "from mistralrs.plugin import ThingOfTomorrow", requires=("mistralrs-py>=99,<100",))
    dists.plugin("other", "from mistralrs.plugin import ThingOfTomorrow", requires=("mistralrs-py>=0.0.1", "a b c"))
    marked = ("mistralrs-py>=99; extra == 'x'", "unrelated>=5")
    dists.plugin("marked", "from mistralrs.plugin import ThingOfTomorrow", requires=marked)
    records = make_host(strict=False).load("architecture")
    incompatible = only(records, "next")
    assert (incompatible.status, incompatible.reason) == (Status.INCOMPATIBLE, "needs mistralrs-py<100,>=99")
    assert only(records, "other").status is Status.BROKEN
    assert only(records, "marked").status is Status.BROKEN


def test_a_missing_package_the_plugin_states_makes_it_unavailable(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture(
        "acme",
        keys=("AcmeForCausalLM",),
        more="requires=('no_such_package.part',),",
        requires=("No-Such.Package>=2; extra == 'fast'",),
        extras=("fast",),
    )
    host = make_host()
    (record,) = host.load("architecture")
    assert record.status is Status.UNAVAILABLE
    assert record.reason == "needs 'no_such_package.part': pip install 'acme[fast]'"
    assert host.specs("architecture") == []
    with pytest.raises(PluginError, match=r"^architecture/acme from acme 1.0 needs 'no_such_package.part'") as caught:
        host.resolve("architecture", "AcmeForCausalLM")
    assert caught.value.hint == "pip install 'acme[fast]'"


@pytest.mark.parametrize(
    ("value", "name", "reason"),
    [
        ("not a module", "fine", "'not a module' is not of the form 'package.module'"),
        ("module", "Not Fine", "'Not Fine' is not a plugin name"),
    ],
)
def test_an_entry_point_of_wrong_form_is_never_imported(
    value: str, name: str, reason: str, dists: Distributions, make_host: MakeHost
) -> None:
    dists.add("acme", entry_points={"mistralrs.architectures": {name: value}})
    (record,) = make_host().load("architecture")
    assert record.status is Status.BROKEN
    assert reason in record.reason


def test_an_entry_point_listed_twice_is_reported(dists: Distributions, make_host: MakeHost) -> None:
    dists.architecture("acme", keys=("A",))
    file = next(dists.root.glob("acme*/entry_points.txt"))
    file.write_text(file.read_text() + "acme = acme_acme\n")
    first, second = make_host().load("architecture")
    assert first.status is Status.ACTIVE
    assert second.reason == "acme lists this entry point twice"


def test_a_group_that_no_kind_owns_is_seen(dists: Distributions, make_host: MakeHost) -> None:
    dists.add("acme", entry_points={"mistralrs.architecture": {"acme": "acme"}, "pytest11": {"x": "y"}})
    (record,) = make_host().discover_all()
    assert record.id == "architecture/acme"
    assert record.status is Status.BROKEN
    assert "no kind owns the group 'mistralrs.architecture'; did you mean 'mistralrs.architectures'" in record.reason


def test_a_damaged_distribution_hides_no_other(dists: Distributions, caplog: pytest.LogCaptureFixture) -> None:
    dists.architecture("good", keys=("GoodForCausalLM",))
    dists.add("bad")
    next(dists.root.glob("bad*/entry_points.txt")).write_text("[mistralrs.architectures]\nno equals sign\n")
    nameless = dists.root / "nameless-1.0.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_text("[mistralrs.architectures]\nlost = lost\n")
    records = {record.name: record for record in PluginHost().discover("architecture")}
    assert "good" in records
    assert "cannot be read" in caplog.text
    if "lost" in records:
        assert records["lost"].distribution == "unknown"


def test_reasons_are_one_printable_line(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("bad", "raise ValueError('a\\nb\\x1b[31m at 0x7f00deadbeef ' + 'x' * 1000)")
    (record,) = make_host().load("architecture")
    assert record.reason.startswith("ValueError: a b?[31m at 0x... xxx")
    assert len(record.reason) <= 300
