"""Programs under test: started with their output in a file, ended by pid.

Not for programs that are done at once: use subprocess.run for those.
"""

import os
import signal
import subprocess
from pathlib import Path

from .wait import PATIENCE, wait_for


def clean_environment(**more) -> dict:
    """Our environment without proxies, which must not decide what a test sees."""
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    env.update(more)
    return env


class Process:
    """One running program.  Standard output and error go to `log_path`."""

    def __init__(self, name: str, argv, log_path: Path, env=None, cwd=None):
        self.name = name
        self.argv = [str(part) for part in argv]
        self.log_path = Path(log_path)
        # Appends: a program that is started again goes on in the same log.
        with open(self.log_path, "ab") as log:
            self._popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=env if env is not None else clean_environment(), cwd=cwd)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def running(self) -> bool:
        return self._popen.poll() is None

    def state(self) -> str:
        """In words, for messages: whether it runs, or what ended it."""
        code = self._popen.poll()
        if code is None:
            return f"runs (pid {self.pid})"
        return f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait(self, timeout_s: float = 10.0) -> int:
        """The exit code; negative when a signal ended it."""
        return self._popen.wait(timeout_s * PATIENCE)

    def wait_log(self, text: str, timeout_s: float = 10.0, count: int = 1):
        """Waits until `text` stands `count` times in the log; fails when the program ends first."""
        def seen():
            if self.log().count(text) >= count:
                return True
            if not self.running():
                raise AssertionError(
                    f"{self.name} {self.state()} before it wrote {text!r}:\n{self.log()}")
            return False
        wait_for(seen, timeout_s, f"{self.name} writes {text!r}", self.log)

    def signal(self, number: int):
        if self.running():
            os.kill(self.pid, number)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL: what a crash or a power cut of the process looks like."""
        if self.running():
            self._popen.kill()
        self._popen.wait(10 * PATIENCE)

    def stop(self, timeout_s: float = 10.0) -> int:
        """SIGTERM, and SIGKILL when that does not help within timeout_s."""
        if self.running():
            self.resume()
            self._popen.terminate()
            try:
                self._popen.wait(timeout_s * PATIENCE)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait(10 * PATIENCE)
                raise AssertionError(
                    f"{self.name} did not end within {timeout_s * PATIENCE:g} s of SIGTERM:\n{self.log()}")
        return self._popen.returncode


class Processes:
    """Starts programs and ends those that still run when the test is over."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._all = []

    def start(self, name: str, argv, env=None, cwd=None) -> Process:
        process = Process(name, argv, self.folder / f"{name}.log", env=env, cwd=cwd)
        self._all.append(process)
        return process

    def end_all(self):
        for process in reversed(self._all):
            if process.running():
                process.resume()
                process.kill()
