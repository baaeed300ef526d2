"""Where the programs under test are: the build folder in BL_BUILD.

Without BL_BUILD, build/asan-ubsan of the source tree is taken, else build/dev.
"""

import os
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3]


def build_folder() -> Path:
    named = os.environ.get("BL_BUILD")
    if named:
        return Path(named).resolve()
    for preset in ("asan-ubsan", "dev"):
        folder = SOURCE / "build" / preset
        if folder.is_dir():
            return folder
    pytest.fail("nothing is built: run tests/run, or set BL_BUILD to a build folder")


def program(name: str) -> Path:
    """The executable `name` somewhere in the build folder; fails the test when it was not built."""
    for folder in ("agent/src", "collector/src", "provisioning", "tests", ""):
        path = build_folder() / folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
    found = [p for p in build_folder().rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    if len(found) == 1:
        return found[0]
    pytest.fail(f"{name} is not built in {build_folder()}")
