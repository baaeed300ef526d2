"""Waiting for conditions, and ports that nobody uses."""

import socket
import time


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago: the kernel chose it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


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
