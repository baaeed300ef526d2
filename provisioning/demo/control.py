"""What `branchline demo` asks over the Unix socket: one line, words separated by tabs; back comes
"ok" or "error: ..." on a line of its own, then text for people.
"""

import asyncio
import os
import socket
import time

from places import SITES, find_site

LINE_MAX = 1024
LINE_S = 5
OFFLINE_MAX_MS = 86400 * 1000


class Fault(Exception):
    pass


def clock(seconds_from_now):
    return time.strftime("%H:%M:%S %Z", time.localtime(time.time() + seconds_from_now))


class Control:
    def __init__(self, path, relays, orders, shop, sink):
        self._path = path
        self._relays = relays  # by site id, as orders are
        self._orders = orders
        self._shop = shop
        self._sink = sink
        self._server = None

    async def start(self):
        self._path.unlink(missing_ok=True)
        # Through the folder's descriptor: a socket address is shorter than paths may be.
        folder = os.open(self._path.parent, os.O_PATH)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            sock.bind(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.umask(before)
            os.close(folder)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=LINE_MAX)

    async def stop(self):
        self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader, writer):
        try:
            line = await asyncio.wait_for(reader.readuntil(b"\n"), LINE_S)
            try:
                answer = "ok\n" + self._answer(line.decode().rstrip("\n").split("\t"))
            except (Fault, UnicodeDecodeError) as fault:
                answer = f"error: {fault}\n"
            writer.write(answer.encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                asyncio.TimeoutError, asyncio.CancelledError):
            pass  # somebody who says nothing, or too much, or has gone
        finally:
            writer.close()

    def _answer(self, words):
        known = {("offline", 3): self._offline, ("mail", 2): self._mail, ("status", 1): self._status}
        do = known.get((words[0], len(words)))
        if do is None:
            raise Fault("expected offline, mail or status")
        return do(*words[1:])

    @staticmethod
    def _number(text, most):
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > most:
            raise Fault(f'expected a number up to {most}, got "{text[:20]}"')
        return int(text)

    def _offline(self, ms, name):
        site, ms = find_site(name), self._number(ms, OFFLINE_MAX_MS)
        if site is None:
            raise Fault(f'there is no demo site "{name[:64]}"; there are '
                        + " and ".join(f"{s.id} ({s.name})" for s in SITES))
        self._relays[site.id].cut(ms / 1000)
        if ms == 0:
            return f"{site.name} ({site.id}): the link is there; the agent finds it within a minute\n"
        return (f"{site.name} ({site.id}): the link is cut until {clock(ms / 1000)}. The board shows the "
                "site as unknown;\nwithin about a minute after that the past is filled in.\n")

    def _mail(self, n):
        return self._sink.show(max(1, self._number(n, 100)))

    def _status(self):
        lines = []
        for site in SITES:
            relay, orders = self._relays[site.id], self._orders[site.id]
            link = (f"cut until {clock(relay.cut_s)}" if relay.cut_s > 0
                    else "up" if relay.connected else "free, the agent is not connected")
            lines.append(f"{site.id:<14} {site.name}: link {link}; orders: {orders.active} open, "
                         f"{orders.counts['completed']} completed, {orders.counts['cancelled']} cancelled")
        bad, until_s = self._shop.phase()
        lines.append(f"{'API':<14} {'fails two of three requests' if bad else 'is well'} until "
                     f"{clock(until_s)}; {self._shop.asked} requests, {self._shop.failed} failed")
        lines.append(f"{'mail':<14} {self._sink.taken} taken since the start, "
                     f"{len(self._sink.files())} kept in {self._sink.folder}")
        return "\n".join(lines) + "\n"
