"""What an administrator follows step by step: the installed services, and what `branchline init` says comes next."""

import re
import shlex
import subprocess

import pytest

from support.builds import build_folder, program
from support.wait import free_port, wait_for


def branchline(*args):
    return subprocess.run([program("branchline"), *args], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/opt/branchline"])
def test_the_installed_services_start_what_is_installed_beside_them(tmp_path, prefix):
    subprocess.run(["cmake", "--install", build_folder(), "--prefix", prefix, "--component", "systemd"], check=True,
                   capture_output=True, timeout=60, env={"PATH": "/usr/bin:/bin", "DESTDIR": str(tmp_path)})
    units = tmp_path / prefix[1:] / "share" / "branchline" / "systemd"
    for name in ("branchline-agent", "branchline-plugins"):
        text = (units / f"{name}.service").read_text()
        assert re.findall(r"^ExecStart=(\S+) run ", text, re.M) == [f"{prefix}/bin/{name}"]
        assert (units / f"{name}.sysusers").exists()


def test_a_prefix_may_be_told_from_where_one_is(tmp_path):
    subprocess.run(["cmake", "--install", build_folder(), "--prefix", "stage", "--component", "systemd"], check=True,
                   capture_output=True, timeout=60, cwd=tmp_path)
    text = (tmp_path / "stage/share/branchline/systemd/branchline-agent.service").read_text()
    assert f"\nExecStart={tmp_path}/stage/bin/branchline-agent run " in text


def test_what_init_says_comes_next_is_all_it_takes(tmp_path, processes):
    org = tmp_path / "org"
    done = branchline("init", "--state", org, "--port", str(free_port()), "--broker-port", str(free_port()))
    assert done.returncode == 0, done.stderr
    steps = [line.strip().split("   ")[0] for line in done.stdout.split("next:\n")[1].splitlines()]
    assert [step.split()[0] for step in steps] == ["mosquitto", "branchline-collector", "branchline", "branchline"]
    for step in steps:
        command = shlex.split(step.replace("NAME", "north"))
        if command[0] == "mosquitto":
            processes.start("mosquitto", ["/usr/sbin/mosquitto", *command[1:]])
        elif command[0] == "branchline-collector":
            collector = processes.start("collector", [program(command[0]), *command[1:]])
            wait_for(lambda: "live up, past up" in branchline("status", "--state", org).stdout, 60, "it is connected", collector.log)
        else:
            told = branchline(*command[1:])
            assert told.returncode == 0, told.stderr
    assert branchline("device", "add", "north", "till", "--state", org).returncode == 0
    again = branchline("init", "--state", org)
    assert again.returncode == 0 and "is up to date with its settings" in again.stdout and "next:" not in again.stdout
