"""What a newcomer waits for: the first quickstart of a fresh clone, and the next one.

Debian packages that the machine has already are not installed again, so the first figure is that of
a machine with the build tools; README.md states the time on a machine without anything.
Without the demo, as they have been measured from the beginning.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.wait import free_port

FIGURES = {"quickstart_first_s": "s", "quickstart_again_s": "s"}
SOURCE = Path(__file__).resolve().parents[2]
LIMIT_S = 900
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "BL_BUILD"}


def until_ready(command):
    """Seconds until the address of the board is printed; then Ctrl-C."""
    began = time.monotonic()
    # A session of its own: the signal must reach quickstart and nobody else.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True,
                               start_new_session=True, env=ENVIRONMENT)
    ready = None
    for line in process.stdout:
        if line.startswith("The board:"):
            ready = time.monotonic() - began
            process.send_signal(signal.SIGINT)
        if time.monotonic() - began > LIMIT_S:
            process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    if ready is None or code != 0:
        raise AssertionError(f"quickstart ended with {code} before it was ready")
    return ready


def measure(names):
    with tempfile.TemporaryDirectory(prefix="bl-perf-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(SOURCE), str(clone)], check=True)
        command = [str(clone / "provisioning" / "quickstart"), "--state", f"{folder}/state",
                   "--port", str(free_port()), "--broker-port", str(free_port()), "--no-demo"]
        return {"quickstart_first_s": until_ready(command), "quickstart_again_s": until_ready(command)}
