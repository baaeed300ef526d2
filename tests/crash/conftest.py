"""The crash tests use the fixtures of the system tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from support.fixtures import organisation, pki, processes  # noqa: E402,F401
