"""An organisation's certificates for tests, made with the openssl program.

Deliberately not made with Branchline's own CA: two implementations that agree
are worth more than one that agrees with itself.  All keys are EC P-256.
"""

import datetime
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
certificate = {folder}/ca.crt
private_key = {folder}/ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
copy_extensions = none
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[req]
distinguished_name = name
[name]
[ca_ext]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""

_EXTENSIONS = """
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = {usage}
subjectAltName = {san}
"""

LOCALHOST = "DNS:localhost,IP:127.0.0.1,IP:::1"


@dataclass(frozen=True)
class Cert:
    """A certificate and its key, both PEM files (`cert` holds the leaf alone)."""

    name: str
    cert: Path
    key: Path


def days_from_now(days: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


class Pki:
    """One CA in a folder of its own: `ca` (certificate file) and `crl` (list file) are kept there."""

    def __init__(self, folder: Path, name: str = "Branchline Test CA"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.ca = self.folder / "ca.crt"
        self.crl = self.folder / "crl.pem"
        self._config = self.folder / "ca.cnf"
        self._config.write_text(_CONFIG.format(folder=self.folder))
        (self.folder / "index.txt").write_text("")
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "crlnumber").write_text("01\n")
        self._issued = {}
        self._key(self.folder / "ca.key")
        self._run("req", "-x509", "-new", "-config", self._config, "-extensions", "ca_ext",
                  "-key", self.folder / "ca.key", "-sha256", "-days", "3650",
                  "-subj", f"/O=Test/CN={name}", "-out", self.ca)
        self.make_crl()

    def device(self, name: str, **options) -> Cert:
        """The certificate of device `name` (client); made at the first call, the same ever after."""
        return self._issue_once(name, "clientAuth", f"DNS:{name}", **options)

    def server(self, name: str = "broker", san: str = LOCALHOST, **options) -> Cert:
        """A server's certificate for the names in `san`; made at the first call."""
        return self._issue_once(name, "serverAuth", san, **options)

    def device_expired(self) -> Cert:
        return self.device("dev-expired", not_before=days_from_now(-60),
                           not_after=days_from_now(-1))

    def device_revoked(self) -> Cert:
        cert = self.device("dev-revoked")
        self.revoke(cert)
        return cert

    def server_expired(self) -> Cert:
        return self.server("broker-expired", not_before=days_from_now(-60),
                           not_after=days_from_now(-1))

    def server_not_yet_valid(self) -> Cert:
        return self.server("broker-future", not_before=days_from_now(30),
                           not_after=days_from_now(300))

    def server_other_host(self) -> Cert:
        return self.server("broker-elsewhere", san="DNS:other.example")

    def revoke(self, cert: Cert):
        """Puts cert on the list (again is fine) and writes a new list file."""
        if "already revoked" not in self._ca("-revoke", cert.cert, may_fail=True):
            self.make_crl()

    def make_crl(self):
        self._ca("-gencrl", "-out", self.crl)

    def _issue_once(self, name, usage, san, **options) -> Cert:
        if name not in self._issued:
            self._issued[name] = self._issue(name, usage, san, **options)
        return self._issued[name]

    def _issue(self, name, usage, san, cn=None, not_before=None, not_after=None) -> Cert:
        base = self.folder / name
        cert = Cert(name, Path(f"{base}.crt"), Path(f"{base}.key"))
        self._key(cert.key)
        self._run("req", "-new", "-config", self._config, "-key", cert.key,
                  "-subj", f"/O=Test/CN={cn or name}", "-out", f"{base}.csr")
        extensions = Path(f"{base}.ext")
        extensions.write_text(_EXTENSIONS.format(usage=usage, san=san))
        dates = ["-startdate", _stamp(not_before or days_from_now(-1)),
                 "-enddate", _stamp(not_after or days_from_now(365))]
        self._ca("-in", f"{base}.csr", "-out", cert.cert, "-notext", "-extfile", extensions, *dates)
        return cert

    def _key(self, path: Path):
        self._run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
        path.chmod(0o600)

    def _ca(self, *arguments, may_fail=False) -> str:
        return self._run("ca", "-batch", "-config", self._config, *arguments, may_fail=may_fail)

    def _run(self, *arguments, may_fail=False) -> str:
        argv = ["openssl", *[str(part) for part in arguments]]
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, timeout=30)
        if done.returncode != 0 and not may_fail:
            raise AssertionError(f"{' '.join(argv)} failed:\n{done.stderr}")
        return done.stdout + done.stderr


def _stamp(when: datetime.datetime) -> str:
    return when.strftime("%Y%m%d%H%M%SZ")
