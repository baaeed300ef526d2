"""A network of its own with a name server that answers what a test says, also wrongly, late or not at all.

    network = Names(tmp_path)           # root, ip and unshare
    network.serve({"broker.branch.test": ["10.77.0.1"]})
    network.resolver("10.77.0.1")       # rewrites the resolv.conf that programs started with `prefix` see

Run as a program it is that name server: names.py FILE ADDRESS, where FILE holds {name: [addresses]} and is
read again for every question.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

ADDRESSES = [f"10.77.0.{n}" for n in range(1, 5)]


def _answer(question: bytes, names: dict) -> bytes:
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]].decode())
        at += question[at] + 1
    kind = struct.unpack(">H", question[at + 1:at + 3])[0]
    asked = question[12:at + 5]
    known = names.get(".".join(labels).lower())
    addresses = [a for a in known or [] if kind == 1]
    head = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known is not None else 3), 1,
                                      len(addresses), 0, 0)
    records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a)
                       for a in addresses)
    return head + asked + records


def main(file, address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    print("serving", flush=True)
    while True:
        question, asker = server.recvfrom(512)
        server.sendto(_answer(question, json.loads(Path(file).read_text())), asker)


class Names:
    """`prefix`: what to put before a command; `reason`: why it cannot be here, or None."""

    def __init__(self, folder: Path):
        self.name = f"bl-names-{os.getpid()}"
        self._records = Path(folder) / "records.json"
        self._resolver = Path(folder) / "resolv.conf"
        self._server = None
        self.reason = self._make()
        self._run = ["ip", "netns", "exec", self.name]
        # The file is bound, not copied: what is written to it later is seen at once.
        self.prefix = [*self._run, "unshare", "-m", "sh", "-c",
                       f"mount --bind {self._resolver} /etc/resolv.conf && exec \"$@\"", "sh"]
        if self.reason is None:
            self.resolver(None)
            # Addresses other than 127.0.0.1: without one, names would give no address at all.
            subprocess.run([*self._run, "sh", "-ec", "ip link set lo up; " + "; ".join(
                f"ip address add {a}/24 dev lo" for a in ADDRESSES)], check=True)

    def _make(self):
        if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft", "unshare"))):
            return "needs root, ip, nft and unshare"
        if subprocess.run(["ip", "netns", "add", self.name], capture_output=True).returncode != 0:
            return "network namespaces are not allowed here"
        return None

    def resolver(self, address):
        """None: a file without a name server."""
        lines = "options timeout:1 attempts:1\n"
        self._resolver.write_text(lines + (f"nameserver {address}\n" if address else ""))

    def serve(self, names):
        """{name: [addresses]}; a name that is not there does not exist."""
        self._records.with_suffix(".new").write_text(json.dumps(names))
        self._records.with_suffix(".new").rename(self._records)
        if self._server is None:
            self._server = subprocess.Popen(
                [*self._run, "/usr/bin/python3", __file__, self._records, ADDRESSES[0]],
                stdout=subprocess.PIPE)
            assert self._server.stdout.readline() == b"serving\n"

    def run(self, *argv):
        subprocess.run([*self._run, *argv], check=True)

    def popen(self, *argv, **options):
        return subprocess.Popen([*self._run, *argv], **options)

    def close(self):
        if self._server is not None:
            self._server.kill()
            self._server.wait(10)
        if self.reason is None:
            subprocess.run(["ip", "netns", "delete", self.name], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
