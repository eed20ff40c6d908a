"""The exam of commands: quick help, errors in one line, settings that can be written down."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import typer

from mistralrs.plugin import FrontendSpec
from mistralrs.testing.conformance.base import PluginConformance

_HELP = """
import sys
from mistralrs.cli.main import run
status = run([*sys.argv[1].split(), "--help"])
heavy = {"torch", "transformers"} & sys.modules.keys()
sys.exit(status or (f"--help imported {heavy}" if heavy else 0))
"""


class FrontendConformance(PluginConformance):
    """Nothing to give."""

    def invoke(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line of a fresh interpreter."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        return subprocess.run(
            [sys.executable, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def test_it_is_a_typer_app(self, spec: FrontendSpec) -> None:
        assert isinstance(spec.app.load(), typer.Typer)

    def test_help_imports_no_engine(self, spec: FrontendSpec) -> None:
        done = self.invoke("-c", _HELP, spec.name)
        assert done.returncode == 0, done.stderr
        assert f"mistralrs {spec.name}" in done.stdout

    def test_a_wrong_option_is_a_short_error(self, spec: FrontendSpec) -> None:
        done = self.invoke("-m", "mistralrs", spec.name, "--no-such-option")
        assert done.returncode == 2, done.stderr
        assert "--no-such-option" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

    def test_its_section_has_defaults_and_a_schema(self, spec: FrontendSpec) -> None:
        if spec.section is None:
            pytest.skip("has no table in a configuration file")
        section: Any = spec.section.load()
        assert section().model_dump() == section.model_validate({}).model_dump()
        assert section.model_json_schema()["type"] == "object"
        assert section.model_config.get("extra") == "forbid", "unknown keys of a configuration must be errors"
