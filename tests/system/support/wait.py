"""Waiting for conditions, and ports that nobody else gets."""

import collections
import itertools
import os
import socket
import time
from pathlib import Path

# A deadline in a test is what the thing takes on a machine that does nothing else, amply; others work beside it.
PATIENCE = 3

# From here on: below are ports that browsers and Node refuse to connect to.
_FIRST = 11000


def _candidates():
    """Not among the ports that the kernel gives to outgoing connections, where it leaves enough: UDP has no reservation."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split())
    below, above = range(_FIRST, low), range(max(high + 1, _FIRST), 65536)
    best = max(below, above, key=len)
    return best if len(best) >= 2000 else range(_FIRST, 65536)


_RANGE = _candidates()
_ports = itertools.islice(itertools.cycle(_RANGE), os.getpid() * 37 % len(_RANGE), None)
# Bound and never listening: the kernel gives such a port to no outgoing connection and to nobody who asks for any, and
# another process that looks for one here is refused. A server that sets SO_REUSEADDR gets it.
_held = collections.deque(maxlen=500)


def free_port() -> int:
    """A TCP port on loopback for a server of this test, and kept for it while that does not run."""
    for port in itertools.islice(_ports, len(_RANGE)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                other.bind(("127.0.0.1", port))
                sock.bind(("127.0.0.1", port))
            except OSError:
                sock.close()
                continue
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if len(_held) == _held.maxlen:
            _held.popleft().close()
        _held.append(sock)
        return port
    raise OSError(f"no port of {_RANGE} is free")


def wait_for(condition, timeout_s: float = 10.0, what: str = "", details=None):
    """Calls condition() until it is true and returns what it returned.

    After timeout_s, PATIENCE times, the test fails, naming `what`; `details` (a function that
    returns text, such as a log) is added to the message.
    """
    begin, limit_s = time.monotonic(), timeout_s * PATIENCE
    while True:
        asked = time.monotonic()
        result = condition()
        if result:
            return result
        now = time.monotonic()
        if now - begin >= limit_s:
            text = f"waited {limit_s:g} s in vain for: {what or condition}"
            if details is not None:
                text += f"\n{details()}"
            raise AssertionError(text)
        # The pace of polling, not a guess at how long something takes: looking must not take the machine from
        # what is looked at, so a long wait is looked at less often, and a look that costs much, too.
        time.sleep(max(0.01, min((now - begin) / 20, 0.1), min(2 * (now - asked), 0.5)))
