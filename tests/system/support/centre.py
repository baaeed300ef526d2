"""An organisation that can tell somebody: broker and collector, a mail server, a webhook receiver."""

from .mail import MailServer
from .org import Organisation
from .process import Processes
from .wait import wait_for
from .webhook import Receiver

PASSWORD = "s3cret, with a space"
PEOPLE = ["night@example.org", "day@example.org"]


def mail_options(folder, server, security):
    """Options of `branchline init` for a server that wants signing in."""
    file = folder / "mail-password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    return ["--mail-host", "localhost" if security != "plain" else "127.0.0.1", "--mail-port", str(server.port),
               "--mail-security", security, "--mail-from", "branchline@example.org",
               "--mail-user", "branchline", "--mail-password-file", str(file)]


class Centre:
    """Broker and collector with a mail server and a webhook receiver, and two channels."""

    def __init__(self, folder, pki, security="starttls", private="true", settings=""):
        """settings: more YAML text for collector.yaml."""
        self.processes = Processes(folder)
        self.pki = pki
        self.mail = MailServer(pki.server() if security != "plain" else None, "branchline", PASSWORD)
        self.hook = Receiver()
        self.org = Organisation(folder, self.processes, init=mail_options(folder, self.mail, security),
                                settings=f"private_webhooks: {private}\n{settings}")
        config = self.org.folder / "collector" / "collector.yaml"
        text = config.read_text()
        assert text.count("\nmail:\n") == 1, text
        config.write_text(text.replace("\nmail:\n", f"\nmail:\n  ca: {pki.ca}\n"))
        self.org.start()
        self.org.define(channels=[{"id": "ops", "name": "Operations", "kind": "email", "to": PEOPLE,
                                   "language": "en"}])
        answer = self.org.api("POST", "/channels", {"id": "hook", "name": "Hook", "kind": "webhook",
                                                    "url": self.hook.url, "language": "en"})
        self.hook.secret = answer["secret"]

    def message(self, n):
        return next(m for m in self.org.api("GET", "/messages")["items"] if m["id"] == n)

    def test_message(self, channel="ops"):
        return self.org.api("POST", f"/channels/{channel}/test", {})["id"]

    def settled(self, n, timeout_s=60):
        """The message once it is neither waiting nor under way."""
        return wait_for(lambda: (lambda m: m["state"] != "waiting" and m)(self.message(n)), timeout_s,
                        f"message {n} is settled", lambda: f"{self.message(n)}\n{self.org.collector.log()}")

    def tried(self, n, times=1, timeout_s=60):
        return wait_for(lambda: (lambda m: m["tries"] >= times and m)(self.message(n)), timeout_s,
                        f"message {n} was tried {times} times", lambda: f"{self.message(n)}\n{self.org.collector.log()}")

    def close(self):
        self.processes.end_all()
        self.mail.stop()
        self.hook.close()
