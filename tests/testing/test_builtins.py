"""Built-ins take the exam that strangers take. Formats, whose exam needs a sample, have theirs in tests/formats."""

from __future__ import annotations

from mistralrs.plugin.host import PluginHost
from mistralrs.testing.exams import exams

host = PluginHost()
globals().update(exams([record.full_id for record in host.discover_all() if record.builtin], host))
