"""Disks that are bad: small ones that fill up (root mounts them), and one under a real program whose
writes, opens and syncs fail as a test says (disk_fault.c, preloaded; no root needed).
"""

import errno
import mmap
import os
import re
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from .builds import program
from .process import clean_environment


class SmallDisk:
    """A tmpfs at `folder`; close() unmounts it. Skips the test where nothing may be mounted."""

    def __init__(self, folder: Path, size: str = "8m", inodes: int = 0):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hog, self._filled = None, False
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small disk")
        options = f"size={size}" + (f",nr_inodes={inodes}" if inodes else "")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "bl-test", self.folder],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")

    def fill(self):
        """Another writer takes all the room, and what comes free, until make_room()."""
        self._hog = _Hog(self.folder / "hog")

    def fill_once(self):
        """All the room that there is now; what comes free stays free. Until make_room()."""
        self._filled = True
        with open(self.folder / "once", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def make_room(self):
        if self._filled:
            (self.folder / "once").unlink()
            self._filled = False
        if self._hog is not None:
            self._hog.end()
            self._hog = None

    def take_inodes(self) -> int:
        """Empty files until there is no inode left; how many."""
        n = 0
        try:
            while True:
                (self.folder / f"inode-{n}").touch()
                n += 1
        except OSError as error:
            assert error.errno == errno.ENOSPC
        return n

    def free_inodes(self):
        for file in self.folder.glob("inode-*"):
            file.unlink()

    def close(self):
        self.make_room()
        if subprocess.run(["umount", self.folder], capture_output=True).returncode != 0:
            subprocess.run(["umount", "-l", self.folder], check=True)


class _Hog:
    def __init__(self, path: Path):
        self.path = path
        self._ended = threading.Event()
        self._full = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._full.wait(20), "the disk does not fill up"

    def _run(self):
        with open(self.path, "wb", buffering=0) as file:
            piece = bytes(4096)
            while not self._ended.is_set():
                try:
                    file.write(piece)
                except OSError:
                    self._full.set()
                    self._ended.wait(0.02)

    def end(self):
        self._ended.set()
        self._thread.join(10)
        self.path.unlink()


class BadDisk:
    """What a program started with env() meets below `under`. Errors are set while it runs."""

    _NAMES = ("write", "open", "sync", "at", "every", "syncs", "failed")

    def __init__(self, control: Path, under: Path):
        self.control, self.under = Path(control), Path(under)
        self.control.write_bytes(bytes(4096))
        self._file = open(self.control, "r+b")
        self._map = mmap.mmap(self._file.fileno(), 4096)

    def env(self) -> dict:
        library = program("disk_fault.so")
        # Programs with the address sanitizer want its library first.
        linked = subprocess.run(["ldd", program("branchline-agent")], capture_output=True, text=True).stdout
        first = re.findall(r"(\S*/libasan\.so\S*)", linked)
        return clean_environment(LD_PRELOAD=" ".join([*first, str(library)]), BL_DISK_FAULT=str(self.control),
                                 BL_DISK_FAULT_UNDER=f"{self.under}/")

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("i", self._map, 4 * self._NAMES.index(name), value)

    def get(self, name: str) -> int:
        return struct.unpack_from("i", self._map, 4 * self._NAMES.index(name))[0]

    def read_only(self):
        self.set(write=errno.EROFS, open=errno.EROFS, sync=errno.EROFS)

    def good(self):
        self.set(write=0, open=0, sync=0, at=0, every=0)

    def close(self):
        self._map.close()
        self._file.close()


def lasts(seconds: float, condition=lambda: True, what: str = ""):
    """The condition holds at every look for so long (the length of a fault, not a guess at a program's pace)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what
        time.sleep(0.05)
