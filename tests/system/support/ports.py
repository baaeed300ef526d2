"""Who has a TCP port of this machine: for a server that must be the one that answers there, and for the message when
it is another."""

import os
import subprocess
from pathlib import Path

_LISTEN = "0A"


def listens(pid: int, port: int) -> bool:
    """Whether that process (of any network namespace) listens at that port, at whatever address."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue  # it has ended, or there is no IPv6
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return any(link in inodes for link in _open_files(pid))


def _open_files(pid):
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def holders(*ports: int) -> str:
    """What `ss` tells of the sockets at those ports, with the programs that have them."""
    sockets = " or ".join(f"sport = {port}" for port in ports)
    done = subprocess.run(["ss", "-Htanp", f"( {sockets} )"], capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr or f"nothing is at {', '.join(map(str, ports))} now"
