"""The service that the demo's sites depend on: an HTTP API that has bad phases.

In a bad phase two of three requests fail, counted for each site, so that no minute of a probe
every ten seconds is without a failure; else one in two hundred does.
"""

import asyncio
import random
import time
from urllib.parse import parse_qs, urlsplit

REQUEST_MAX = 8192
REQUEST_S = 10
CONNECTIONS_MAX = 64
SITES_MAX = 16


class Phases:
    """When it is bad: first_s after the start, then every half hour or so, for 6 to 8 minutes."""

    def __init__(self, seed, first_s, long_s=None):
        self._random = random.Random(f"{seed}/phases")
        self._long_s = long_s
        self._begin_s = first_s
        self._end_s = first_s + self._length()

    def _length(self):
        return self._long_s if self._long_s is not None else self._random.uniform(6 * 60, 8 * 60)

    def at(self, now_s):
        """(bad, seconds until that changes); now_s counts from the start and does not go back."""
        while now_s >= self._end_s:
            self._begin_s = self._end_s + self._random.uniform(20 * 60, 28 * 60)
            self._end_s = self._begin_s + self._length()
        if now_s < self._begin_s:
            return False, self._begin_s - now_s
        return True, self._end_s - now_s


class Shop:
    def __init__(self, port, phases, seed):
        self.port = port
        self.phases = phases
        self.asked = self.failed = 0
        self._random = random.Random(f"{seed}/shop")
        self._count = {}
        self._began_mono_s = time.monotonic()
        self._tasks = set()
        self._server = None

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port,
                                                  limit=REQUEST_MAX)

    async def stop(self):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def phase(self):
        return self.phases.at(time.monotonic() - self._began_mono_s)

    def _fails(self, site, bad):
        if site not in self._count and len(self._count) >= SITES_MAX:
            site = ""
        self._count[site] = n = self._count.get(site, 0) + 1
        return n % 3 != 0 if bad else self._random.random() < 0.005

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            if len(self._tasks) <= CONNECTIONS_MAX:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_S)
                writer.write(await self._answer(head))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                asyncio.TimeoutError, asyncio.CancelledError):
            pass  # a client that is not well, or the end
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, head):
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
        if len(words) != 3 or words[0] not in ("GET", "HEAD"):
            return self._text(400, "expected GET")
        url = urlsplit(words[1])
        if url.path != "/health":
            return self._text(404, "there is /health")
        bad, _ = self.phase()
        fails = self._fails(parse_qs(url.query).get("site", [""])[0][:64], bad)
        self.asked += 1
        self.failed += fails
        await asyncio.sleep(self._random.uniform(0.15, 0.6) if bad else
                            self._random.uniform(0.01, 0.06))
        if fails:
            return self._text(503, '{"status":"overloaded"}')
        return self._text(200, '{"status":"ok"}')

    @staticmethod
    def _text(status, text):
        reason = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}[status]
        return (f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}").encode()
