"""``/v1/system``: what this server runs on, and what is wrong with it. Tells no paths."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from fastapi import APIRouter, Request

from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()

PATH_KEYS = frozenset({"path", "cache"})
ABSOLUTE_PATH = re.compile(r"(?<![\w:/.])/[^\s'\",;:()]+")


@router.get("/v1/system/info", **documented(None, "The machine and the installation"))
async def info(request: Request) -> dict[str, Any]:
    """Facts about the machine, the installation and the models."""
    from mistralrs.api.system import system_info

    service: Service = request.app.state.service
    async with service.examining:  # it reads folders: one at a time is enough
        facts = await asyncio.to_thread(system_info, service.host, deep=False)
    server = {"uptime_seconds": int(time.time()) - service.started_at, "requests": len(service.tickets)}
    return {**without_paths(facts), "server": server, "models": [model.describe() for model in service.pool.models]}


@router.post("/v1/system/doctor", **documented(None, "What is wrong, and how to mend it"))
async def doctor(request: Request) -> dict[str, Any]:
    """The checks of ``mistralrs doctor`` that need neither the network nor the engine's libraries."""
    from mistralrs.api.system import examine

    service: Service = request.app.state.service
    async with service.examining:
        found = await asyncio.to_thread(examine, service.host, deep=False)
    return {"status": found["status"], "checks": without_paths(found["checks"])}


def without_paths(value: Any) -> Any:
    """A copy of plain data without what would tell strangers where things lie."""
    if isinstance(value, dict):
        return {name: without_paths(item) for name, item in value.items() if name not in PATH_KEYS}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    return ABSOLUTE_PATH.sub("(path)", value) if isinstance(value, str) else value
