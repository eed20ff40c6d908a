"""What every plugin has to satisfy, whatever its kind."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, ClassVar

import pytest

from mistralrs.plugin import API_VERSION, Ref
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS
from mistralrs.plugin.records import PluginRecord, Status

HEAVY = ("torch", "pydantic", "transformers", "tokenizers", "huggingface_hub", "safetensors", "numpy")
"""Packages that a declaration must not import: every start of the program would pay for them."""

IMPORT_SECONDS = 0.2
"""CPU time a declaration may take to import."""

IMPORT_TRIES = 3
"""The first writes the byte code, and a busy machine spoils one now and then."""

_PROBE = """
import importlib, json, resource, sys
import mistralrs.plugin
before = resource.getrusage(resource.RUSAGE_SELF)
importlib.import_module(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF)
spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([sorted(set(sys.argv[2:]) & sys.modules.keys()), spent]))
"""


class PluginConformance:
    """Base of the exams. ``plugin`` is the id, ``kind/name``.

    ``member`` names one contribution of a plugin that makes several; when empty, it is the one named as the plugin.
    """

    plugin: ClassVar[str] = ""
    member: ClassVar[str] = ""

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls) -> PluginHost:
        """The plugins that are installed, under no policy but the built-in one."""
        return PluginHost()

    @pytest.fixture(scope="class")
    @classmethod
    def record(cls, host: PluginHost) -> PluginRecord:
        """The plugin, loaded."""
        record = host.find(cls.plugin)
        host.load(record.kind)
        return record

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls, record: PluginRecord) -> Any:
        """The contribution under test."""
        if KINDS[record.kind].spec is None:
            pytest.skip("this kind contributes hooks only")
        found = {spec.name: spec for spec in record.specs}.get(cls.member or record.name)
        if found is None:
            pytest.fail(f"{record.label} is {record.status}: {record.reason}", pytrace=False)
        return found

    def test_it_loads(self, record: PluginRecord) -> None:
        """A shadowed plugin is in order: the user may still prefer it."""
        assert record.status in (Status.ACTIVE, Status.SHADOWED), f"{record.status}: {record.reason}"

    def test_it_states_the_api_it_was_written_for(self, record: PluginRecord) -> None:
        module = record.entry_point.load()
        stated = getattr(module, "MISTRALRS_API", None)
        wanted = ".".join(map(str, API_VERSION))
        assert stated is not None, f'{module.__name__} should say MISTRALRS_API = "{wanted}"'

    def test_the_declaration_is_light(self, record: PluginRecord) -> None:
        """Imported alone, in a fresh interpreter: everything that is installed is declared at every start."""
        module = record.entry_point.module
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-c", _PROBE, module, *HEAVY]
        for _ in range(IMPORT_TRIES):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr
            heavy, seconds = json.loads(done.stdout.splitlines()[-1])
            assert not heavy, f"{module} imports {', '.join(heavy)}; import them in the modules the Refs point at"
            if seconds < IMPORT_SECONDS:
                break
        assert seconds < IMPORT_SECONDS, f"importing {module} takes {seconds:.2f} s of CPU time"

    def test_registration_can_be_repeated(self, record: PluginRecord) -> None:
        hook = KINDS[record.kind].hook
        if hook is None:
            pytest.skip("this kind registers nothing")
        register = getattr(record.entry_point.load(), hook)
        assert list(register()) == record.specs == list(register())

    def test_it_says_what_it_is(self, spec: Any) -> None:
        assert spec.summary.strip(), "a summary is what `mistralrs plugins show` and --help print"
        assert "\n" not in spec.summary

    def test_every_reference_resolves(self, host: PluginHost, spec: Any) -> None:
        for ref in _refs(spec):
            host.load_ref(spec, ref)

    def test_stated_requirements_exist(self, spec: Any) -> None:
        missing = [name for name in spec.requires if importlib.util.find_spec(name.partition(".")[0]) is None]
        assert not missing

    def test_the_declaration_can_be_sent_to_a_worker(self, spec: Any) -> None:
        assert pickle.loads(pickle.dumps(spec)) == spec


def _refs(spec: Any) -> Iterator[Ref]:
    for item in fields(spec):
        if isinstance(value := getattr(spec, item.name), Ref):
            yield value
