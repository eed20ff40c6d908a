from __future__ import annotations

import site
import venv
from pathlib import Path

import pytest
from ecosystem import REPOSITORY, Environment, build_wheels, share_kernels


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    root = tmp_path_factory.mktemp("environment")
    venv.create(root / "env", with_pip=True)
    made = Environment(root / "env")
    packages = Path(made.run(made.python, "-c", "import site; print(site.getsitepackages()[0])").strip())
    # After the environment's own packages; .pth files found through this one, editable installs, are not followed.
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    # An old setuptools comes with venv on Python 3.11; torch wants the newer one that is borrowed.
    made.run(made.python, "-m", "pip", "uninstall", "-q", "--yes", "setuptools")
    wheels = tmp_path_factory.mktemp("wheels")
    made.install(*build_wheels([REPOSITORY], wheels))
    share_kernels(made.root)
    return made
