"""The API in a process of its own (api_server), for the contract tests."""

import os
import pathlib
import subprocess
import time

import pytest

from api_client import ROOT, Client

PASSWORD = "correct horse battery"


def refused(answer, status, code):
    assert (answer.status, answer.code) == (status, code), answer.body


def tool():
    folders = [os.environ.get("BL_BUILD"), ROOT / "build" / "asan-ubsan", ROOT / "build" / "dev"]
    for folder in folders:
        for place in ("tests/api_server", "api_server"):
            path = pathlib.Path(folder or "/nonexistent") / place
            if path.is_file():
                return path
    pytest.fail("api_server is not built: run tests/run, or set BL_BUILD to a build folder")


class Server:
    """The API in a process of its own, with a store that takes orders."""

    def __init__(self, folder):
        self.folder = folder
        self.cert, key, web = folder / "cert.pem", folder / "key.pem", folder / "web"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", key, "-out", self.cert, "-days", "30", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        key.chmod(0o600)
        (web / "assets").mkdir(parents=True)
        (web / "index.html").write_text("<!doctype html><title>Branchline</title>")
        (web / "assets" / "app-1a2b3c4d.js").write_text("plain")
        (folder / "state").mkdir(mode=0o700)
        self.socket = folder / "state" / "admin.sock"
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen([tool(), folder / "state", self.cert, key, web], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        assert line.startswith("port "), (folder / "log").read_text()
        self.port = int(line.split()[1])
        self.admin = Client(unix=str(self.socket))

    def order(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line.startswith("done"), (self.folder / "log").read_text()
        return line.split()[1:]

    def visitor(self):
        return Client(port=self.port, cert=str(self.cert))

    def person(self, name, role="viewer"):
        """A user of that role, signed in."""
        body = {"name": name, "role": role, "password": PASSWORD}
        if self.admin.call("POST", "/users", body).status not in (201, 409):
            pytest.fail(f"cannot make user {name}")
        client = self.visitor()
        client.ok("POST", "/session", {"user": name, "password": PASSWORD})
        return client

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        self.log.close()
        assert code == 0, (self.folder / "log").read_text()[-4000:]


def evaluated(server, site, device, other):
    """Definitions, and what the evaluator would have made of them in the hour that begins at the returned time."""
    ok = server.admin.ok
    ok("POST", "/processes", {"id": "orders", "name": "Orders", "steps": ["review", "picking"]})
    ok("POST", "/channels", {"id": "ops", "name": "Operations", "kind": "email", "to": ["ops@example.com"],
                             "language": "en"})
    ok("POST", "/kpis", {"id": "failures", "name": "Failures", "source": "probe", "function": "mean", "unit": "%"})
    ok("POST", "/rules", {"id": "too-many", "name": "Too many", "kind": "threshold", "severity": "critical",
                          "kpi": "failures", "window": "1m", "op": ">", "value": 2, "for": 3, "channels": ["ops"]})
    ok("POST", "/rules", {"id": "overdue", "name": "Overdue", "kind": "case_open", "process": "orders",
                          "limit_ms": 60000})
    base = (int(time.time()) // 3600 + 1) * 3600000  # devices are in service by then
    server.order("evaluate", site, device, other, str(base))
    return base
