"""The relay of provisioning/impair, for tests: a link that is slow, stalls or is cut."""

import sys

from .builds import SOURCE

sys.path.insert(0, str(SOURCE / "provisioning"))
from impair import Proxy  # noqa: E402
from impair.link import PIECE_BYTES  # noqa: E402

__all__ = ["PIECE_BYTES", "Proxy"]
