"""Power cuts without special kernels: an ext4 file system in a file, mounted over a folder.

    image = Image(tmp_path, "till", 24).mount(agent.folder / "state")
    cut = image.cut(agent.process)     # stops it, takes what has reached the block device, kills it
    ...                                # the copy is mounted in the same place: the next boot

What a program wrote and did not sync stands in the page cache of the mounted file system; the copy of
the file below has only what was written back. So a copy is what the disk holds when the power goes.
The program is stopped while it is copied, and a copy counts only when nothing was written meanwhile.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from .wait import wait_for

SHM, SHM_LEAST = Path("/dev/shm"), 512 << 20


def why_not() -> str:
    """Why there can be no images here; empty: there can."""
    if os.geteuid() != 0:
        return "only root can mount"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices (/dev/loop-control)"
    for tool in ("mkfs.ext4", "mount", "umount", "cmp"):
        if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"{tool} is not installed"
    with tempfile.TemporaryDirectory() as folder:
        trial = Image(Path(folder), "trial", 4)
        try:
            trial.mount(Path(folder) / "mounted").unmount()
        except subprocess.CalledProcessError as refused:
            return f"a loop device cannot be mounted: {refused.stderr.decode(errors='replace').strip()}"
        finally:
            trial.end()
    return ""


def skip_without_images():
    reason = why_not()
    if reason:
        pytest.skip(f"no power cuts by images: {reason}")


def _run(*argv):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    subprocess.run([str(a) for a in argv], check=True, capture_output=True, timeout=60,
                   env={**os.environ, "PATH": path, "LC_ALL": "C"})


def _stopped(pid: int) -> bool:
    """Every thread of it stands still."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "stat").read_text().rpartition(")")[2].split()[0] != "T":
            return False
    return True


def _databases(folder: Path) -> dict:
    """Databases and their logs as a program sees them, written back or not."""
    return {path: hashlib.sha1(path.read_bytes()).digest() for pattern in ("*.db", "*.db-wal")
            for path in folder.glob(pattern)}


class Image:
    """One file system in a file; end() always unmounts and removes it, and so does the end of the test run.

    cuts: how many; bit: of them, those that took away something written to a database and not synced;
    unsettled: copies that were taken again because the kernel wrote something back meanwhile.
    """

    def __init__(self, folder: Path, name: str, mib: int):
        room = shutil.disk_usage(SHM).free if SHM.is_dir() else 0
        self.file = Path(tempfile.mkdtemp(prefix=f"bl-image-{name}-",
                                          dir=SHM if room > SHM_LEAST + (3 * mib << 20) else folder)) / "disk"
        self.mounted = self._guard = None
        self.cuts = self.bit = self.unsettled = 0
        with open(self.file, "wb") as file:
            file.truncate(mib << 20)
        # Nothing is left for the kernel to do in the background.
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.file)

    def mount(self, folder: Path) -> "Image":
        """What the folder holds goes into the image first, and is synced."""
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            inner = self.file.parent / "fill"
            inner.mkdir()
            _run("mount", "-o", "loop", self.file, inner)
            try:
                for path in folder.iterdir():
                    _run("cp", "-a", path, inner)
            finally:
                _run("umount", inner)
        self._mount(folder)
        return self

    def _mount(self, folder: Path):
        if self._guard is None:
            # Whatever ends this process, kill -9 as well, closes the pipe; then nothing stays mounted.
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", 'cat; umount --lazy "$1"; rm -rf "$2"', "guard", folder, self.file.parent],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        _run("mount", "-o", "loop,noatime", self.file, folder)
        self.mounted = folder

    def sync(self):
        """Everything that was written so far survives."""
        _run("sync", "-f", self.mounted)

    def unmount(self):
        if self.mounted is not None:
            _run("umount", self.mounted)
            self.mounted = None

    def stop_and_copy(self, process) -> Path:
        """The file as a power cut would leave it; the process stays stopped."""
        process.pause()
        wait_for(lambda: _stopped(process.pid), 10, f"{process.name} stands still")
        copy = self.file.with_name("copy")
        while True:
            _run("cp", "--sparse=always", self.file, copy)
            # The kernel may write back what is older than some seconds: no disk was ever like that.
            if subprocess.run(["cmp", "-s", self.file, copy], timeout=60, check=False).returncode == 0:
                return copy
            self.unsettled += 1

    def cut(self, process):
        """The process is gone, and the folder is what the disk held."""
        copy = self.stop_and_copy(process)
        folder, seen = self.mounted, _databases(self.mounted)
        process.kill()
        self.unmount()
        copy.replace(self.file)
        self._mount(folder)
        self.cuts += 1
        self.bit += _databases(folder) != seen

    def end(self):
        """Whoever has files open in it has ended before."""
        try:
            self.unmount()
        except subprocess.CalledProcessError:
            _run("umount", "--lazy", self.mounted)
        if self._guard is not None:
            self._guard.stdin.close()
            self._guard.wait(60)
        shutil.rmtree(self.file.parent, ignore_errors=True)
