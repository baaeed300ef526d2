"""What others cost who do the agent's work, beside it in the same run: collectd with its MQTT plug-in (mutual TLS,
QoS 1, the same broker, the same five pages) and the Prometheus node exporter, scraped every 10 s.

Debian's packages collectd-core and prometheus-node-exporter; without one of them there is no figure about it.
"""

import gzip
import http.client
import shutil
import subprocess
import threading
from pathlib import Path

from support.wait import free_port, wait_for

COLLECTD = """
BaseDir "@DIR@"
PIDFile "@DIR@/pid"
TypesDB "/usr/share/collectd/types.db"
Interval 10
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File STDOUT
</Plugin>
LoadPlugin cpu
LoadPlugin load
LoadPlugin memory
LoadPlugin swap
LoadPlugin df
LoadPlugin disk
LoadPlugin interface
LoadPlugin uptime
LoadPlugin tcpconns
LoadPlugin curl
<Plugin df>
  FSType "ext4"
  ValuesPercentage true
</Plugin>
<Plugin interface>
  Interface "lo"
  IgnoreSelected true
</Plugin>
<Plugin curl>
@PAGES@
</Plugin>
LoadPlugin mqtt
<Plugin mqtt>
  <Publish "broker">
    Host "127.0.0.1"
    Port @PORT@
    QoS 1
    CACert "@CA@"
    CertificateFile "@CERT@"
    CertificateKeyFile "@KEY@"
  </Publish>
</Plugin>
"""
PAGE = """  <Page "page-@N@">
    URL "http://127.0.0.1:@TARGET@/@N@"
    MeasureResponseTime true
    MeasureResponseCode true
  </Page>"""


def certificate(state: Path, name: str):
    """Key and certificate of a further client of the broker."""
    key, cert = state / "broker" / f"{name}.key", state / "broker" / f"{name}.pem"
    request = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-subj", f"/CN={name}"], capture_output=True, check=True).stdout
    subprocess.run(
        ["openssl", "x509", "-req", "-CA", state / "ca" / "ca.pem", "-CAkey", state / "ca" / "ca.key",
         "-days", "2", "-out", cert], input=request, capture_output=True, check=True)
    return key, cert


def allow_collectd(org):
    """Before the broker is started: it reads its list once."""
    with open(org.folder / "broker" / "acl", "a", encoding="ascii") as acl:
        acl.write("\nuser perf-collectd\ntopic readwrite collectd/#\n")


def start_collectd(org, processes, folder: Path, target: int):
    """None where it is not installed."""
    program = shutil.which("collectd") or shutil.which("collectd", path="/usr/sbin")
    if program is None:
        return None
    folder.mkdir()
    key, cert = certificate(org.folder, "perf-collectd")
    pages = "\n".join(PAGE.replace("@N@", str(n)).replace("@TARGET@", str(target)) for n in range(1, 6))
    text = COLLECTD.replace("@DIR@", str(folder)).replace("@PAGES@", pages)
    for mark, value in (("@PORT@", org.broker_port), ("@CA@", org.folder / "ca" / "ca.pem"), ("@CERT@", cert),
                        ("@KEY@", key)):
        text = text.replace(mark, str(value))
    config = folder / "collectd.conf"
    config.write_text(text, encoding="ascii")
    return processes.start("collectd", [program, "-f", "-C", config])


class NodeExporter:
    """Started and asked every 10 s over one kept connection, compressed, as Prometheus does."""

    def __init__(self, processes, program):
        self.port = free_port()
        self.process = processes.start(
            "node-exporter", [program, f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"])
        self.samples = 0
        self.done = threading.Event()
        wait_for(self.answers, 20, "the node exporter answers", self.process.log)
        self.thread = threading.Thread(target=self._scrape, daemon=True)
        self.thread.start()

    def answers(self):
        try:
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=5).connect()
            return True
        except OSError:
            return False

    def _scrape(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.done.wait(10):
            connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.getheader("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self.samples = sum(not line.startswith(b"#") for line in body.splitlines())

    def stop(self):
        self.done.set()
        self.thread.join()


def start_node_exporter(processes):
    program = shutil.which("prometheus-node-exporter")
    return NodeExporter(processes, program) if program else None
