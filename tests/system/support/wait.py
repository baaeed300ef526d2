"""Waiting for conditions, and ports that nobody uses."""

import itertools
import os
import socket
import time

# Below the ports that the kernel gives to outgoing connections (32768 and up): one of them would take the place of a
# server that is down for a moment. Each worker has a block of its own, and goes round in it.
_BLOCK = 2400
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw-1")[2:]) + 1
_FIRST = 10000 + _WORKER % 9 * _BLOCK
_ports = itertools.cycle(range(_FIRST, _FIRST + _BLOCK))
for _ in range(os.getpid() % _BLOCK):  # the next run begins elsewhere: what the last one closed may linger
    next(_ports)


def free_port() -> int:
    """A TCP port on loopback that is free now, and that no other test asks for."""
    for port in itertools.islice(_ports, _BLOCK):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError(f"no port from {_FIRST} to {_FIRST + _BLOCK} is free")


def wait_for(condition, timeout_s: float = 10.0, what: str = "", details=None):
    """Calls condition() until it is true and returns what it returned.

    After timeout_s the test fails, naming `what`; `details` (a function that
    returns text, such as a log) is added to the message.
    """
    begin = time.monotonic()
    while True:
        asked = time.monotonic()
        result = condition()
        if result:
            return result
        now = time.monotonic()
        if now - begin >= timeout_s:
            text = f"waited {timeout_s:g} s in vain for: {what or condition}"
            if details is not None:
                text += f"\n{details()}"
            raise AssertionError(text)
        # The pace of polling, not a guess at how long something takes: looking must not take the machine from
        # what is looked at, so a long wait is looked at less often, and a look that costs much, too.
        time.sleep(max(0.01, min((now - begin) / 20, 0.1), min(2 * (now - asked), 0.5)))
