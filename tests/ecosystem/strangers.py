"""One distribution for each thing a stranger can do wrong, in the order of the issue."""

from __future__ import annotations

from distributions import ARCHITECTURE, Distributions

HEADER = """
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"
SPEC = dict(summary="s", config=Ref("x:y"), build=Ref("x:y"))
"""

EXPECTED = {
    "broken-import": ("broken", "No module named 'nothing_of_this_name'"),
    "hook-raises": ("broken", "RuntimeError: the hook is wrong"),
    "half-way": ("broken", "RuntimeError: after the first"),
    "old-api": ("incompatible", "written for plugin API 0.9"),
    "newer-minor": ("active", "written for plugin API 1.99"),
    "torch-at-start": ("active", "imports torch"),
    "rival-a": ("active", ""),
    "rival-b": ("active", ""),
    "claims-llama": ("shadowed", "LlamaForCausalLM"),
    "missing-extra": ("unavailable", "pip install 'missing-extra[fast]'"),
    "Not_A_Name": ("broken", "is not a plugin name"),
    "exits": ("broken", "SystemExit"),
    "slow": ("active", "takes "),
    "prints": ("active", ""),
}
"""Status and a part of the reason, by the name of the plugin."""


def install_all(dists: Distributions) -> None:
    """Install every one of them."""
    register = "@hookimpl\ndef mistralrs_register_architectures():\n"
    dists.plugin("broken-import", "import nothing_of_this_name\n")
    dists.plugin("hook-raises", f'{HEADER}\n{register}    raise RuntimeError("the hook is wrong")\n')
    half = '    yield ArchitectureSpec(name="half-way", **SPEC)\n    raise RuntimeError("after the first")\n'
    dists.plugin("half-way", f"{HEADER}\n{register}{half}")
    dists.architecture("old-api", api="0.9")
    dists.architecture("newer-minor", api="1.99")
    dists.plugin("torch-at-start", "import torch\n" + _plain("torch-at-start"))
    dists.architecture("rival-a", keys=["SharedForCausalLM"])
    dists.architecture("rival-b", keys=["SharedForCausalLM"])
    dists.architecture("claims-llama", keys=["LlamaForCausalLM"])
    dists.architecture(
        "missing-extra",
        more='requires=("a_package_nobody_has",),',
        requires=["a-package-nobody-has; extra == 'fast'"],
        extras=["fast"],
    )
    dists.plugin("Not_A_Name", _plain("not-a-name"))
    dists.plugin("exits", "import sys\nsys.exit(3)\n")
    dists.plugin("slow", "import time\ntime.sleep(0.7)\n" + _plain("slow"))
    dists.plugin("prints", "print('hello from a plugin')\n" + _plain("prints"))


def _plain(name: str) -> str:
    return ARCHITECTURE.format(name=name, keys=(), api="1.0", module=name.replace("-", "_"), more="")
