"""Makes the shared fixtures known to every test in this folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.fixtures import broker, brokers, organisation, other_pki, pki, processes  # noqa: E402,F401
