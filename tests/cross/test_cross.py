"""The agent for other processors: it compiles without a warning, and its unit tests pass there, played by qemu.

arm64 is another order of memory accesses and unsigned chars, armhf 32-bit words and longs as well. What fails here
and not on this machine has taken one of them for granted. Without BL_LONG, arm64 plays the short list of its unit tests,
armhf what is fed to decoders in it: the corpora.
"""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONG = os.environ.get("BL_LONG") == "1"
NOT_TO_BE_HAD = 75  # exit code of provisioning/cross/sysroot
# name, compiler, emulator, what `file` would say (class, machine of the ELF header), and which of the short list it plays
PROCESSORS = [
    pytest.param("arm64", "aarch64-linux-gnu-gcc", "qemu-aarch64-static", 2, 183, ".", id="arm64"),
    pytest.param("armhf", "arm-linux-gnueabihf-gcc", "qemu-arm-static", 1, 40, "_corpus$", id="armhf"),
]


def run(*words, **more):
    return subprocess.run([str(w) for w in words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **more)


def must(*words, **more):
    done = run(*words, **more)
    assert done.returncode == 0, f"{' '.join(str(w) for w in words)}: exit {done.returncode}\n{done.stdout[-6000:]}"
    return done.stdout


@pytest.mark.parametrize("arch, compiler, emulator, elf_class, machine, short", PROCESSORS)
def test_agent_builds_and_its_tests_pass(arch, compiler, emulator, elf_class, machine, short):
    for program in (compiler, emulator):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (provisioning/lib.sh, BL_CROSS_PACKAGES)")
    made = run("provisioning/cross/sysroot", arch)
    if made.returncode == NOT_TO_BE_HAD:
        pytest.skip(f"no network or no mirror for {arch}: {made.stdout.strip().splitlines()[-1]}")
    assert made.returncode == 0, made.stdout[-6000:]

    must("cmake", "--preset", arch)
    build = ROOT / "build" / arch
    must("cmake", "--build", build, "--target", "edge" if LONG else "edge_short")

    head = (build / "agent/src/branchline-agent").read_bytes()[:20]
    assert head[:4] == b"\x7fELF" and head[4] == elf_class and int.from_bytes(head[18:20], "little") == machine
    sysroot = ROOT / "build/sysroot" / arch
    version = must(emulator, "-L", sysroot, build / "agent/src/branchline-agent", "version")
    assert version.startswith("branchline-agent ")

    which = ["-L", "^edge$"] if LONG else ["-L", "^edge-short$", "-R", short]
    # All of them, each as often as usual: what BL_LONG asks of one test would take days here.
    usual = {name: value for name, value in os.environ.items() if name != "BL_LONG"}
    told = must("ctest", "--test-dir", build, *which, "-j", "2", "--output-on-failure", "--timeout", "1200", env=usual)
    assert "No tests were found" not in told
