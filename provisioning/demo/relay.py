"""One site's way to the broker: a TCP relay on loopback that can be cut.

Cut, it ends the connection towards the broker without a word, so that the broker tells at once
that the device has gone, as it would after its keep-alive; and it lets the agent's attempts hang,
as a dead network does. When the link is back, an attempt that hangs goes through.
"""

import asyncio
import time

PIECE = 65536
CONNECTIONS_MAX = 8


class Relay:
    def __init__(self, site, port, target):
        self.site = site
        self.port = port
        self.target = target  # (host, port) of the broker
        self._connections = set()
        self._online = asyncio.Event()
        self._online.set()
        self._until_mono_s = 0.0
        self._timer = None
        self._server = None

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self):
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def cut_s(self):
        """Seconds until the link is back; 0: it is there."""
        return 0.0 if self._online.is_set() else max(0.0, self._until_mono_s - time.monotonic())

    @property
    def connected(self):
        return self._online.is_set() and len(self._connections) > 0

    def cut(self, seconds):
        """From now on for so long, whatever was said before; 0: the link is back."""
        if self._timer is not None:
            self._timer.cancel()
        if seconds <= 0:
            self._online.set()
            return
        self._online.clear()
        self._until_mono_s = time.monotonic() + seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self._online.set)
        for task in list(self._connections):
            task.cancel()

    async def _serve(self, near_reader, near):
        task = asyncio.current_task()
        if len(self._connections) >= CONNECTIONS_MAX:
            near.transport.abort()
            return
        self._connections.add(task)
        far = None
        try:
            await self._online.wait()
            far_reader, far = await asyncio.open_connection(*self.target)
            await self._both(self._pump(near_reader, far), self._pump(far_reader, near))
        except (OSError, asyncio.CancelledError):
            pass  # cut, or the broker is not there: both ends see a connection that broke
        finally:
            self._connections.discard(task)
            for writer in (near, far):
                if writer is not None:
                    writer.transport.abort()

    @staticmethod
    async def _both(*pumps):
        """Until the first direction ends."""
        tasks = [asyncio.ensure_future(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    async def _pump(reader, writer):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
        # What is under way arrives before the connection ends.
        writer.write_eof()
        await writer.drain()
