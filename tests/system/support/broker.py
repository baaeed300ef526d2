"""Mosquitto on loopback, configured as a real set-up is: mutual TLS, user name from the
certificate, access by the patterns of the wire protocol, nothing kept on disk.
"""

import os
import shutil
import signal
from pathlib import Path

from .pki import Cert, Pki
from .process import Process
from .wait import free_port

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"

_CONFIG = """
per_listener_settings false
{user}
persistence false
log_dest stderr
log_type all
allow_anonymous false
acl_file {folder}/acl
sys_interval 1
max_queued_messages 1000
max_inflight_messages 20

listener {port} {address}
max_packet_size {max_packet_size}
require_certificate true
use_identity_as_username true
cafile {ca}
certfile {cert}
keyfile {key}
{crl}
tls_version tlsv1.2
{extra}
{websocket}
"""

# As `branchline init --websocket-port` writes it.
_WEBSOCKET = """
listener {port} {address}
protocol websockets
socket_domain ipv4
require_certificate true
use_identity_as_username true
use_username_as_clientid true
cafile {ca}
certfile {cert}
keyfile {key}
{crl}
tls_version tlsv1.2
"""

# "pattern" throughout: a "topic" line above the first user holds for anonymous clients only.
# The collector's connections may do everything below bl/1; devices only what is theirs.
_ACL = """
pattern write bl/1/up/+/%u/#
pattern read bl/1/down/%u/#
pattern read bl/1/centre
{collectors}
"""

COLLECTOR_USERS = ("collector", "collector-live", "collector-past")


class Broker:
    """One Mosquitto.  `port` stays the same over stop() and start()."""

    def __init__(self, folder: Path, pki: Pki, server: Cert = None, crl: bool = True,
                 collector_users=COLLECTOR_USERS, extra: str = "", port: int = None,
                 prefix=(), max_packet_size: int = 300000, websocket: bool = False,
                 address: str = "127.0.0.1"):
        """`websocket`: a second listener on `websocket_port`.
        `extra`: further lines of the listener (e.g. "max_connections 2").
        `prefix`: what to put before the command (e.g. ["ip", "netns", "exec", NAME])."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.websocket_port = free_port() if websocket else None
        self.process = None
        self.prefix = list(prefix)
        server = server or pki.server()
        self._config = self.folder / "mosquitto.conf"
        names = {"address": address, "ca": pki.ca, "cert": server.cert, "key": server.key,
                 "crl": f"crlfile {pki.crl}" if crl else ""}
        self._config.write_text(_CONFIG.format(
            # Mosquitto started as root would become another user, who may not read our folder.
            user="user root" if os.geteuid() == 0 else "",
            folder=self.folder, port=self.port, extra=extra, max_packet_size=max_packet_size,
            websocket=_WEBSOCKET.format(port=self.websocket_port, **names) if websocket else "",
            **names))
        users = "".join(
            f"\nuser {name}\ntopic readwrite bl/1/#\ntopic read $SYS/#\n" for name in collector_users)
        acl = self.folder / "acl"
        acl.write_text(_ACL.format(collectors=users))
        acl.chmod(0o600)

    def start(self) -> "Broker":
        running_before = self.log().count("running\n")
        self.process = Process("mosquitto", [*self.prefix, MOSQUITTO, "-c", self._config],
                               self.folder / "mosquitto.log")
        self.process.wait_log("running\n", 10, running_before + 1)
        return self

    def log(self) -> str:
        path = self.folder / "mosquitto.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def reload(self):
        """SIGHUP: reads the list of revoked certificates again."""
        self.process.signal(signal.SIGHUP)

    def kill(self):
        if self.process is not None:
            self.process.kill()

    def stop(self):
        if self.process is not None:
            self.process.stop()

    def pause(self):
        self.process.pause()

    def resume(self):
        self.process.resume()
