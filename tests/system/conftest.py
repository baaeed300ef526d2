"""Makes the shared fixtures known to every test in this folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.fixtures import (  # noqa: E402,F401
    broker, brokers, organisation, other_pki, pki, probes, processes)
