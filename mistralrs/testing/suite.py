"""The exam of the plugins given with ``--plugin``: ``pytest --pyargs mistralrs.testing.suite --plugin ID``."""

from __future__ import annotations

from mistralrs.testing.exams import exams
from mistralrs.testing.pytest_plugin import chosen

globals().update(exams(chosen))
