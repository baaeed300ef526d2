"""A real SMTP server (Debian's python3-aiosmtpd) that keeps what it takes, and refuses what it is told to.

    server = MailServer(pki.server(), user="branchline", password="secret")
    server.start()                      # STARTTLS and sign-in are demanded; cert None: plain
    server.script = ["451 4.3.0 later"] # answers to the next letters; then 250 again
    server.bad = {"gone@example.org": "550 5.1.1 nobody here"}
    server.letters                      # Letter: to, subject, text, id, kind, at (Unix seconds)
"""

import email
import email.policy
import logging
import ssl
import time
from dataclasses import dataclass

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from .wait import free_port

# A client that does not trust our certificate is a test, not news.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Letter:
    to: tuple
    subject: str
    text: str
    id: str
    kind: str
    at: float


class MailServer:
    """`port` stays the same over stop() and start()."""

    def __init__(self, cert=None, user=None, password=None):
        self.port = free_port()
        self.cert, self.user, self.password = cert, user, password
        self.letters, self.script, self.bad = [], [], {}
        self.tries = 0        # letters offered to the end of their text, taken or not
        self.signed_in = 0
        self._controller = None

    def start(self) -> "MailServer":
        context = None
        if self.cert is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.cert.cert, self.cert.key)
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, tls_context=context,
            require_starttls=context is not None, auth_required=self.user is not None,
            auth_require_tls=context is not None, authenticator=self._sign_in)
        self._controller.start()
        return self

    def stop(self):
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def of(self, kind: str, word: str = ""):
        """The letters of a kind whose subject or text has the word in it, in the order of arrival."""
        return [x for x in self.letters if x.kind == kind and word in x.subject + "\n" + x.text]

    def _sign_in(self, server, session, envelope, mechanism, data):
        good = (isinstance(data, LoginPassword) and data.login == (self.user or "").encode()
                and data.password == (self.password or "").encode())
        self.signed_in += good
        return AuthResult(success=good)

    # ---- aiosmtpd asks these ----

    async def handle_RCPT(self, server: SMTP, session, envelope, address, options):
        if address in self.bad:
            return self.bad[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server: SMTP, session, envelope):
        self.tries += 1
        answer = self.script.pop(0) if self.script else "250 2.0.0 taken"
        if answer.startswith("250"):
            m = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.letters.append(Letter(tuple(envelope.rcpt_tos), m["Subject"], m.get_content(),
                                       m["Message-ID"], m["X-Branchline-Kind"], time.time()))
        return answer
