"""A build that is broken on purpose cannot pass for a whole one."""
import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]


def configure(folder, *options):
    """Configures without building: two seconds."""
    return subprocess.run(["cmake", "-S", SOURCE, "-B", folder, "-G", "Ninja", *options], capture_output=True, text=True)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    made = configure(folder, "-DCMAKE_BUILD_TYPE=Debug", "-DBL_BROKEN=sync-off")
    assert made.returncode == 0, made.stderr
    return folder, made.stdout


def commands(folder):
    return (folder / "compile_commands.json").read_text()


def test_a_broken_build_says_so_where_it_is_configured(broken):
    assert "broken-on-purpose, it will lose data: sync-off" in broken[1]


def test_a_broken_build_says_so_in_its_version(broken):
    """The three programs print BL_VERSION_LONG, which every source gets."""
    text = commands(broken[0])
    assert "BUILT BROKEN ON PURPOSE: sync-off" in text
    assert "BL_BROKEN_SYNC_OFF" in text
    for main in ("agent/src/command/command_table.c", "collector/src/main.c", "provisioning/src/main.c"):
        assert "BL_VERSION_LONG" in (SOURCE / main).read_text(), main


def test_a_build_that_is_whole_says_nothing(broken, tmp_path):
    whole = configure(tmp_path, "-DCMAKE_BUILD_TYPE=Debug")
    assert whole.returncode == 0
    assert "BUILT BROKEN" not in commands(tmp_path)
    build = Path(os.environ.get("BL_BUILD", SOURCE / "build/asan-ubsan"))
    said = subprocess.run([build / "agent/src/branchline-agent", "--version"], capture_output=True, text=True)
    assert said.returncode == 0 and "BROKEN" not in said.stdout


@pytest.mark.parametrize("options", [["-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                                     ["-DCMAKE_BUILD_TYPE=Debug", "-DBL_TESTS=OFF"]])
def test_a_release_is_never_broken(tmp_path, options):
    refused = configure(tmp_path, "-DBL_BROKEN=delete-on-puback", *options)
    assert refused.returncode != 0
    assert "never for a release" in refused.stderr


def test_an_unknown_name_is_refused(tmp_path):
    refused = configure(tmp_path, "-DCMAKE_BUILD_TYPE=Debug", "-DBL_BROKEN=everything")
    assert refused.returncode != 0 and "one of" in refused.stderr
