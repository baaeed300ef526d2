"""One site's way to the broker: a link of provisioning/impair that can be cut.

Cut, it ends the connection towards the broker, so that the broker tells at once that the device
has gone, as it would after its keep-alive; and it lets the agent's attempts hang, as a dead
network does. When the link is back, an attempt that hangs goes through.
"""

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from impair import Link  # noqa: E402

CONNECTIONS_MAX = 8


class Relay:
    def __init__(self, site, port, target):
        self.site = site
        self._link = Link(target, port, connections_max=CONNECTIONS_MAX)  # target: (host, port) of the broker
        self._until_mono_s = 0.0
        self._timer = None

    async def start(self):
        await self._link.start()

    async def stop(self):
        await self._link.stop()

    @property
    def cut_s(self):
        """Seconds until the link is back; 0: it is there."""
        return max(0.0, self._until_mono_s - time.monotonic()) if self._link.now.stall else 0.0

    @property
    def connected(self):
        return not self._link.now.stall and self._link.connections > 0

    def cut(self, seconds):
        """From now on for so long, whatever was said before; 0: the link is back."""
        if self._timer is not None:
            self._timer.cancel()
        if seconds <= 0:
            self._link.mend()
            return
        self._link.impair(stall=True)
        self._link.cut()
        self._until_mono_s = time.monotonic() + seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._link.mend)
