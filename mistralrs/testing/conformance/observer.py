"""The exam of observers: they listen to everything and disturb nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mistralrs.plugin import ModelInfo, RequestRecord
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.records import PluginRecord, Status
from mistralrs.testing.conformance.base import PluginConformance

MODEL = ModelInfo(id="tiny", architecture="llama", format="safetensors", root=Path())
REQUEST = RequestRecord(
    id=1,
    model="tiny",
    reason="stop",
    prompt_tokens=3,
    cached_tokens=0,
    completion_tokens=2,
    queue_seconds=0.0,
    prompt_seconds=0.1,
    completion_seconds=0.2,
)
EVENTS: dict[str, dict[str, Any]] = {
    "started": {"settings": {}, "plugins": ()},
    "model_loaded": {"model": MODEL, "device": "cpu", "seconds": 1.0},
    "request_finished": {"record": REQUEST},
    "stopping": {},
}


class ObserverConformance(PluginConformance):
    """Nothing to give."""

    def test_it_survives_every_event(self, host: PluginHost, record: PluginRecord) -> None:
        for event, facts in EVENTS.items():
            host.notify(event, **facts)
        assert record.status is Status.ACTIVE, record.reason
