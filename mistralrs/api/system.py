"""What this machine and this installation have to offer, and what is wrong with them: for ``doctor`` and the server."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib import error, request

import psutil

import mistralrs
from mistralrs.checkpoint import files_below
from mistralrs.errors import MistralrsError
from mistralrs.plugin.doctor import Finding, diagnose
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.records import BUILTIN, Status, describe

PACKAGES = (
    "torch",
    "numpy",
    "numba",
    "llvmlite",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "pydantic",
    "fastapi",
)
SIMD = (
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
)
ENV_CACHE = "MISTRALRS_CACHE"
LEAST_DISK = 5 << 30
NETWORK_SECONDS = 4.0


def examine(host: PluginHost, *, deep: bool = True, network: bool = False) -> dict[str, Any]:
    """Facts and checks as plain data for JSON; the names are a promise. Sizes are in bytes.

    ``checks`` are ``ok``, ``note``, ``warning`` or ``error``, each with its ``fix``; ``status`` is the worst of them.
    ``deep`` imports torch and the kernels to ask them; ``network`` asks the hub, for some seconds at most.
    """
    facts = system_info(host, deep=deep)
    checks = [*_kernel_checks(facts), *_disk_checks(facts), *(_hub_checks(facts) if network else ()), *diagnose(host)]
    levels = {check.level for check in checks}
    status = next((level for level in ("error", "warning") if level in levels), "ok")
    return {**facts, "checks": [asdict(check) for check in checks], "status": status}


def system_info(host: PluginHost, *, deep: bool = True) -> dict[str, Any]:
    """The facts alone: see :func:`examine`. Without ``deep`` accelerators are not known and listed as None."""
    memory = psutil.virtual_memory()
    return {
        "environment": {
            "os": platform.platform(),
            "python": platform.python_version(),
            "cpu": _cpu()[0],
            "cpu_features": _cpu()[1],
            "cpus": os.cpu_count() or 1,
            "usable_cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            "memory_bytes": memory.total,
            "available_memory_bytes": memory.available,
        },
        "accelerators": list(_accelerators()) if deep else None,
        "installation": {
            "version": mistralrs.__version__,
            "distribution": BUILTIN,
            "path": str(Path(mistralrs.__file__).parent),
            "packages": {name: _version(name) for name in PACKAGES},
        },
        "kernels": list(_kernels(host, deep=deep)),
        "caches": list(_caches(host)),
        "hub": _hub(),
    }


def _cpu() -> tuple[str, list[str]]:
    """The processor's name, and those of its vector instructions that matter. Only Linux lists these."""
    facts: dict[str, str] = {}
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                facts.setdefault(name.strip(), value.strip())
    except OSError:
        return platform.processor() or platform.machine(), []
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return facts.get("model name", platform.machine()), [name for name in SIMD if name in flags]


def _accelerators() -> Iterator[dict[str, Any]]:
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError):
        return
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield {"device": f"cuda:{index}", **_cuda(torch, index)}
    if torch.backends.mps.is_available():
        yield {"device": "mps", "name": "Apple GPU"}


def _cuda(torch: Any, index: int) -> dict[str, Any]:
    """One GPU; a driver that fails is a fact too."""
    try:
        about = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError as problem:
        return {"name": "", "error": describe(problem)}
    return {
        "name": about.name,
        "memory_bytes": total,
        "available_memory_bytes": free,
        "compute_capability": f"{about.major}.{about.minor}",
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _kernels(host: PluginHost, *, deep: bool) -> Iterator[dict[str, Any]]:
    """Every kernels plugin, best first. ``usable`` is None where nobody tried, ``reason`` says why one is not."""
    records = host.load("kernels")
    for spec in sorted(host.specs("kernels"), key=lambda spec: -spec.priority):
        usable, reason = None, ""
        if deep:
            try:
                host.make(spec, spec.backend)
                usable = True
            except MistralrsError as problem:
                usable, reason = False, problem.message
        yield {"name": spec.name, "devices": list(spec.devices), "usable": usable, "reason": reason}
    for record in records:
        if record.status not in (Status.ACTIVE, Status.FOUND):
            yield {"name": record.name, "devices": [], "usable": False, "reason": record.reason or str(record.status)}


def _caches(host: PluginHost) -> Iterator[dict[str, Any]]:
    """What takes disk space: downloads by source, and folders of our own."""
    for spec in host.specs("source"):
        try:
            models = list(host.make(spec, spec.source).cached(None))
        except MistralrsError:
            continue  # the checks of the plugins say so
        if models:
            yield {"name": f"models of {spec.name}", "bytes": sum(model.size for model in models), "path": None}
    for root in dict.fromkeys((_cache_root(moved=True), _cache_root(moved=False))):
        for folder in sorted(path for path in root.glob("*") if path.is_dir()):
            yield {"name": folder.name, "bytes": _size(folder), "path": str(folder)}


def _cache_root(*, moved: bool) -> Path:
    """Our cache folder: where ``MISTRALRS_CACHE`` moved it, or where it is by default, as compiled kernels are."""
    from platformdirs import user_cache_path

    base = os.environ.get(ENV_CACHE) if moved else None
    return Path(base).expanduser() if base else user_cache_path("mistralrs")


def _size(folder: Path) -> int:
    return sum(status.st_size for path, status in files_below(folder) if not path.is_symlink())


def _hub() -> dict[str, Any]:
    """The Hugging Face hub as this process would use it. The token is never part of it, only whether there is one."""
    from huggingface_hub import constants, get_token

    return {
        "endpoint": constants.ENDPOINT,
        "cache": constants.HF_HUB_CACHE,
        "offline": constants.HF_HUB_OFFLINE,
        "token": get_token() is not None,
    }


def _kernel_checks(facts: dict[str, Any]) -> Iterator[Finding]:
    for each in facts["kernels"]:
        if each["usable"] is False:
            yield Finding(level="warning", subject=f"kernels/{each['name']}", problem=f"is not used: {each['reason']}")
    used = next((each for each in facts["kernels"] if each["usable"] and "cpu" in each["devices"]), None)
    if used:
        yield Finding(level="ok", subject=f"kernels/{used['name']}", problem="computes on the CPU")
    elif any(each["usable"] is False for each in facts["kernels"]):
        yield Finding(level="error", subject="kernels", problem="none can be used on the CPU")


def _disk_checks(facts: dict[str, Any]) -> Iterator[Finding]:
    folder = Path(facts["hub"]["cache"])
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    level = "ok" if free >= LEAST_DISK else "warning"
    fix = "" if level == "ok" else "mistralrs cache delete, or move it with HF_HOME"
    yield Finding(level=level, subject="disk", problem=f"{free / 1e9:.1f} GB are free for models", fix=fix)


def _hub_checks(facts: dict[str, Any]) -> Iterator[Finding]:
    hub = facts["hub"]
    if not hub["token"]:
        yield Finding(level="note", subject="hub", problem="no token: gated models are refused", fix="mistralrs login")
    if hub["offline"]:
        yield Finding(level="note", subject="hub", problem="HF_HUB_OFFLINE is set: only downloaded models are found")
        return
    if _reaches(hub["endpoint"]):
        yield Finding(level="ok", subject="hub", problem=f"{hub['endpoint']} answers")
    else:
        fix = "check the network, or HF_ENDPOINT and the proxy's variables"
        yield Finding(level="warning", subject="hub", problem=f"{hub['endpoint']} does not answer", fix=fix)


def _reaches(url: str) -> bool:
    """Whether anybody answers there. On a thread, because looking up a name knows no time limit."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            request.urlopen(request.Request(url, method="HEAD"), timeout=NETWORK_SECONDS).close()
        except error.HTTPError:
            pass  # an answer too
        except (OSError, ValueError):
            return
        answers.append(True)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(NETWORK_SECONDS)
    return bool(answers)
