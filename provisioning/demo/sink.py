"""A mail server that keeps what it takes in files and sends nothing on."""

import asyncio
import email
import email.policy
import os
import re

from aiosmtpd.smtp import SMTP

MAILS_MAX = 500  # the newest
MAIL_BYTES = 1024 * 1024
SHOWN_CHARS = 20000  # of one


class Sink:
    """Mails lie in folder/NNNNNN.eml."""

    def __init__(self, port, folder):
        self.port = port
        self.folder = folder
        self.taken = 0  # since the start
        self._next = max([self._number(p) for p in self.files()], default=0) + 1
        self._server = None

    @staticmethod
    def _number(path):
        return int(path.stem)

    def files(self):
        """Oldest first."""
        found = [p for p in self.folder.glob("*.eml") if re.fullmatch(r"\d{6,12}", p.stem)]
        return sorted(found, key=self._number)

    async def start(self):
        # A host name of its own: looking up this machine's would wait for a network.
        self._server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(self, data_size_limit=MAIL_BYTES, hostname="mail.demo.example",
                         ident="Branchline demo", enable_SMTPUTF8=True, timeout=60),
            "127.0.0.1", self.port)

    async def stop(self):
        self._server.close()

    async def handle_DATA(self, server, session, envelope):
        """aiosmtpd's hook: the mail is on disk before it is acknowledged."""
        path = self.folder / f"{self._next:06d}.eml"
        new = self.folder / f".{path.name}.new"
        try:
            with open(new, "wb") as file:
                file.write(envelope.content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except OSError as error:
            return f"451 it could not be written: {error.strerror}"
        self._next += 1
        self.taken += 1
        for old in self.files()[:-MAILS_MAX]:
            old.unlink(missing_ok=True)
        return "250 taken"

    def show(self, n):
        """The newest n, newest last."""
        files = self.files()[-n:]
        return "\n".join(self._one(path) for path in files) if files else "no mails yet\n"

    @staticmethod
    def _one(path):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        text = body.get_content() if body is not None else ""
        head = "".join(f"{name}: {message[name]}\n" for name in ("From", "To", "Date", "Subject")
                       if message[name] is not None)
        text = text.replace("\r\n", "\n").rstrip("\n")[:SHOWN_CHARS]
        return f"---- {path} ----\n{head}\n{text}\n"
