"""Programs that were started here, each ended by its own number; and waiting for conditions."""

import os
import shutil
import signal
import subprocess
import time


class Failed(Exception):
    """The proof could not be made; the text is for people."""


class Stopped(Exception):
    """Somebody asked for the end, at once."""


class Until:
    """The one place that waits, so that a signal is heard at every wait."""

    def __init__(self):
        self.now = False  # set by a signal: whoever waits is told
        self.soon = False  # the torture ends early; settling and judging go on

    def sleep(self, seconds):
        if self.now:
            raise Stopped
        time.sleep(seconds)
        if self.now:
            raise Stopped

    def wait(self, condition, seconds, pace_s=0.05):
        """True when it came true in time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= end:
                return False
            self.sleep(pace_s)
        return True


def _environment():
    """Without proxies and without somebody's organisation, neither of which must be touched."""
    return {k: v for k, v in os.environ.items()
            if not k.lower().endswith("_proxy") and k != "BRANCHLINE_STATE"}


# They end with us even when we are killed; a terminal's Ctrl-C is for us alone.
_SETPRIV = shutil.which("setpriv")
_PREFIX = [_SETPRIV, "--pdeathsig", "KILL"] if _SETPRIV else []


class Program:
    """One program that is started, killed and started again; its output goes on in one file."""

    def __init__(self, name, argv, log):
        self.name = name
        self._argv = [*_PREFIX, *(str(part) for part in argv)]
        self._log = log
        self._popen = None
        self.wanted = False  # it should run: an end is its own doing
        self.starts = 0

    @property
    def pid(self):
        return self._popen.pid

    def start(self):
        self.wanted = True
        self.starts += 1
        with open(self._log, "ab") as log:
            self._popen = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=_environment(), start_new_session=True)

    def running(self):
        return self._popen is not None and self._popen.poll() is None

    def ended_by_itself(self):
        """The code of a program that ended though it should run; None: all is well."""
        return None if self.running() or not self.wanted else self._popen.returncode

    def kill(self):
        self.wanted = False
        if self.running():
            self._popen.kill()
        if self._popen is not None:
            self._popen.wait()

    def stop(self, seconds=15):
        """SIGTERM, and SIGKILL when that does not help."""
        self.wanted = False
        if self.running():
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def last_words(self):
        try:
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-12:])
        except OSError:
            return ""


def run(*argv):
    """A command that is done at once; its output."""
    argv = [str(part) for part in argv]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=_environment(), timeout=120, start_new_session=True)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{' '.join(argv)}: {error}") from None
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
