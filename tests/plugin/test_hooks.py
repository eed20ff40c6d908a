"""Decisions are asked in order, events reach everybody, and every hook is documented."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from distributions import ARCHITECTURE, Distributions

from mistralrs.errors import PluginError
from mistralrs.plugin import hookspecs
from mistralrs.plugin.hookspecs import DECIDERS, EVENTS
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS
from mistralrs.plugin.records import Status

MakeHost = Callable[..., PluginHost]

HOOKS = {name: value for name, value in vars(hookspecs).items() if name.startswith("mistralrs_") and callable(value)}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented(name: str) -> None:
    text = inspect.getdoc(HOOKS[name]) or ""
    for section in ("Implemented by:", "Called:", "Result:"):
        assert section in text, f"{name} does not say {section}"
    for argument in inspect.signature(HOOKS[name]).parameters:
        assert f"``{argument}``" in text, f"{name} does not explain {argument}"


def test_every_hook_is_registration_decision_or_event() -> None:
    registrations = {kind.hook for kind in KINDS.values() if kind.hook}
    assert set(HOOKS) == registrations | set(DECIDERS) | EVENTS
    for name, hook in HOOKS.items():
        options = hook.mistralrs_spec
        assert options["firstresult"] == (name in DECIDERS), name
    assert set(DECIDERS.values()) <= set(KINDS)


def claims(name: str, body: str) -> str:
    plugin = ARCHITECTURE.format(name=name, keys=(), api="1.0", module="x", more="")
    return f"{plugin}\n\n@hookimpl\ndef mistralrs_claim_architecture(config):\n    {body}\n"


def test_third_parties_are_asked_before_built_ins(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("mistralrs-py", claims("own", "return 'own'"), name="own")
    dists.plugin("acme", claims("acme", "return config.get('claim')"))
    host = make_host()
    assert host.decide("claim_architecture", config={"claim": "acme"}) == "acme"
    assert host.decide("mistralrs_claim_architecture", config={}) == "own"


def test_a_decision_that_fails_names_its_plugin(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("mistralrs-py", claims("own", "return 'own'"), name="own")
    dists.plugin("acme", claims("acme", "return config['missing']"))
    with pytest.raises(PluginError) as caught:
        make_host().decide("claim_architecture", config={})
    message = "mistralrs_claim_architecture of architecture/acme@acme failed: KeyError: 'missing'"
    assert caught.value.message == message
    assert caught.value.hint == "--no-plugin architecture/acme@acme"


def test_a_decision_may_be_wrapped(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("mistralrs-py", claims("own", "return 'own'"), name="own")
    wrapper = claims("acme", "return (yield) + '!'").replace(
        "@hookimpl\ndef mistralrs_claim", "@wrap\ndef mistralrs_claim"
    )
    dists.plugin("acme", "from mistralrs.plugin import hookimpl\nwrap = hookimpl(wrapper=True)\n" + wrapper)
    assert make_host().decide("claim_architecture", config={}) == "own!"


def test_an_unavailable_plugin_is_not_asked(dists: Distributions, make_host: MakeHost) -> None:
    source = claims("acme", "return 'acme'").replace('summary="', 'requires=("no_such_package",), summary="')
    dists.plugin("acme", source)
    assert make_host().decide("claim_architecture", config={}) is None


def test_a_hook_that_does_not_exist_is_the_callers_mistake(make_host: MakeHost) -> None:
    with pytest.raises(ValueError, match="mistralrs_claim_architectur'; did you mean 'mistralrs_claim_architecture'"):
        make_host().decide("claim_architectur", config={})
    with pytest.raises(ValueError, match="there is no such hook 'mistralrs_claim_format'"):
        make_host().notify("claim_format")


OBSERVER = """
from mistralrs.plugin import hookimpl

seen = []

@hookimpl
def mistralrs_model_loaded(device):
    seen.append(device)
    {body}

@hookimpl
def mistralrs_stopping():
    seen.append("stopping")
"""


def seen(host: PluginHost, name: str) -> list[str]:
    found: list[str] = host.find(f"observer/{name}").entry_point.load().seen
    return found


def test_events_reach_everybody_and_a_failing_observer_is_muted(
    dists: Distributions, make_host: MakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    dists.plugin("calm", OBSERVER.format(body=""), kind="observers")
    dists.plugin("grumpy", OBSERVER.format(body="raise SystemExit('tired')"), kind="observers")
    host = make_host()
    for device in ("cpu", "cuda"):
        host.notify("model_loaded", model=None, device=device, seconds=1.0)
    host.notify("mistralrs_stopping")
    assert seen(host, "calm") == ["cpu", "cuda", "stopping"]
    assert seen(host, "grumpy") == ["cpu"]
    assert len(caplog.records) == 1
    assert "observer/grumpy@grumpy failed and will not be called again: SystemExit: tired" in caplog.text
    assert host.find("grumpy").status is Status.BROKEN
    assert host.find("calm").status is Status.ACTIVE


def test_strict_raises_what_an_observer_raises(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("grumpy", OBSERVER.format(body="raise KeyError('x')"), kind="observers")
    with pytest.raises(PluginError, match="mistralrs_model_loaded of observer/grumpy@grumpy failed: KeyError: 'x'"):
        make_host(strict=True).notify("model_loaded", model=None, device="cpu", seconds=1.0)


def test_a_muted_plugin_goes_on_contributing(dists: Distributions, make_host: MakeHost) -> None:
    event = "\n\n@hookimpl\ndef mistralrs_stopping():\n    raise RuntimeError\n"
    source = ARCHITECTURE.format(name="acme", keys=("A",), api="1.0", module="acme_acme", more="")
    dists.plugin("acme", source + event)
    host = make_host()
    host.load("architecture")
    host.notify("stopping")
    assert host.resolve("architecture", "A").name == "acme"


def test_an_observer_without_events_is_reported(dists: Distributions, make_host: MakeHost) -> None:
    dists.plugin("idle", "x = 1", kind="observers")
    dists.plugin("wraps", OBSERVER.format(body="").replace("@hookimpl", "@hookimpl(wrapper=True)"), kind="observers")
    host = make_host()
    host.load("observer")
    assert "implements none of: mistralrs_model_loaded" in host.find("idle").reason
    assert "mistralrs_model_loaded cannot be a wrapper" in host.find("wraps").reason
