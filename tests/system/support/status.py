"""What an agent says of itself, or its files when it does not run."""

import json
import os
import socket
import subprocess
from pathlib import Path

from .builds import program
from .process import clean_environment
from .wait import wait_for

BUSY = "lives but did not answer within"


def _ask(option, path):
    argv = [str(part) for part in (program("branchline-agent"), "status", option, path, "--json")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=clean_environment())


def status_of(option, path) -> dict:
    """`branchline-agent status --json` with --config FILE or --state FOLDER. The command waits five seconds for an answer:
    where the machine stands still for longer than that, it is asked again."""
    def said():
        done = _ask(option, path)
        assert done.stdout or BUSY in done.stderr, f"status said nothing: {done.stderr}"
        return done.stdout
    return json.loads(wait_for(said, 20, "the agent answers `status`"))


def asked_at_its_socket(state_dir) -> dict:
    """The same from the running agent itself: a look takes a millisecond, where the command takes a good part of a tick."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(60)
        folder = os.open(Path(state_dir), os.O_PATH)  # an address is short, and the folders of tests are not
        try:
            sock.connect(f"/proc/self/fd/{folder}/agent.sock")
        finally:
            os.close(folder)
        sock.sendall(b"status\n")
        with sock.makefile("rb") as answer:
            return json.load(answer)


def samples_on(sampling, before=None):
    """Most ticks since `before` came in time. A machine with other work may stand still for some seconds, and ticks are
    missed then; whoever starves the samplers takes nearly all of them."""
    ticks, missed = (sampling[key] - (before[key] if before else 0) for key in ("ticks", "missed_ticks"))
    assert missed <= ticks, f"{missed} ticks were missed, {ticks} came in time"


def runs(option, path) -> bool:
    """Whether an agent answers there; one that was just started may not even have made its spool."""
    done = _ask(option, path)
    return bool(done.stdout) and json.loads(done.stdout)["daemon"] == "running"
