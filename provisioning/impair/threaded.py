"""A Link for programs without an event loop: it has a thread and a loop of its own."""

import asyncio
import threading

from .link import Link

CALL_S = 10


class Proxy:
    """Relays `port` to target: a port of 127.0.0.1, or (host, port). Any thread may call.

    What is wrong with it from the beginning is named as for Link.impair: Proxy(1883, delay_ms=300).
    """

    def __init__(self, target, port=0, seed=None, **impairment):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            where = target if isinstance(target, tuple) else ("127.0.0.1", target)
            self._link = self._call(self._start, where, port, seed, impairment)
        except BaseException:
            self._end_loop()
            raise
        self.port = self._link.port

    @property
    def relayed_bytes(self):
        return self._link.relayed_bytes

    @property
    def connections(self):
        return self._link.connections

    @property
    def now(self):
        return self._link.now

    def impair(self, **changes):
        self._call(self._now, self._link.impair, changes)

    def mend(self):
        self._call(self._now, self._link.mend, {})

    def stall(self):
        self.impair(stall=True)

    def resume(self):
        self.impair(stall=False)

    def cut(self):
        self._call(self._now, self._link.cut, {})

    def half_close(self, towards_target=True):
        return self._call(self._now, self._link.half_close, {"towards_target": towards_target})

    def close(self):
        """Ends all connections and the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        try:
            self._call(self._link.stop)
        finally:
            self._end_loop()

    @staticmethod
    async def _start(target, port, seed, impairment):
        link = Link(target, port, seed=seed)
        link.impair(**impairment)
        return await link.start()

    @staticmethod
    async def _now(do, arguments):
        return do(**arguments)

    def _call(self, coroutine, *args):
        return asyncio.run_coroutine_threadsafe(coroutine(*args), self._loop).result(CALL_S)

    def _end_loop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S)
        if not self._thread.is_alive():
            self._loop.close()
