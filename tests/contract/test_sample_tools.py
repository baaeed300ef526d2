"""What the samplers put on this machine, against other tools and a second reader of the kernel's files.

`sample_print` runs one sampler; between its two ticks it waits for us. What moves meanwhile is read before and
after: the sampler's value must lie between.
"""

import ctypes
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tool():
    folders = [os.environ.get("BL_BUILD"), ROOT / "build" / "asan-ubsan", ROOT / "build" / "dev"]
    for folder in filter(None, folders):
        place = pathlib.Path(folder) / "tests" / "sample_print"
        if place.exists():
            return str(place)
    pytest.fail("sample_print is not built: run tests/run, or set BL_BUILD to a build folder")


def values(text):
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in text.splitlines() if line != "tick")
            if not v.startswith("unknown")}


def one_tick(sampler, options="{}"):
    done = subprocess.run([tool(), sampler, options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return values(done.stdout)


def words(path):
    """{name: number} of a file with "name number" lines."""
    return {line.split()[0]: int(line.split()[1]) for line in pathlib.Path(path).read_text().splitlines()}


def between(before, value, after, name):
    assert before <= value <= after, f"{name}: {before} <= {value} <= {after}"


# ---- configurations that want no samples ----

ONLY_WHEN_CONFIGURED = {"processes", "files", "logs", "units", "synthetic"}


@pytest.mark.parametrize("file", ["tests/system/support/oracle.py", "provisioning/torture/rig.py", "tests/perf/lanes.py"])
def test_who_wants_silence_switches_every_sampler_off(file):
    kinds = set(subprocess.run([tool()], capture_output=True, text=True, check=True).stdout.split())
    assert len(kinds) > 10 and ONLY_WHEN_CONFIGURED <= kinds
    off = set(re.findall(r"^  (\w+): { enabled: false }$", (ROOT / file).read_text(), re.M))
    assert kinds - ONLY_WHEN_CONFIGURED == off


# ---- TCP, in a network namespace where nobody else is ----

CONNECTIONS = r"""
import fcntl, os, socket, struct, subprocess, sys
with socket.socket() as s:  # lo up
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
held = []
def pair(family, address):
    listener = socket.create_server((address, 0), family=family)
    ours = socket.create_connection(listener.getsockname()[:2])
    theirs = listener.accept()[0]
    held.append(listener)
    return ours, theirs
for _ in range(5):
    held.extend(pair(socket.AF_INET, "127.0.0.1"))
if os.path.exists("/proc/net/tcp6"):
    try:
        held.extend(pair(socket.AF_INET6, "::1"))
    except OSError:
        pass  # no IPv6 here
for _ in range(3):  # theirs waits for us to close, ours for it
    ours, theirs = pair(socket.AF_INET, "127.0.0.1")
    ours.shutdown(socket.SHUT_WR)
    theirs.recv(1)
    held.extend([ours, theirs])
for _ in range(2):  # over
    ours, theirs = pair(socket.AF_INET, "127.0.0.1")
    ours.shutdown(socket.SHUT_WR)
    theirs.recv(1)
    theirs.close()
    ours.recv(1)
    ours.close()
held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
held[-1].bind(("127.0.0.1", 0))
def kernel():
    for name in ("snmp", "netstat"):
        lines = open("/proc/net/" + name).read().splitlines()
        for names, numbers in zip(lines[::2], lines[1::2]):
            for n, v in list(zip(names.split(), numbers.split()))[1:]:
                print(names.split(":")[0] + n, v)
kernel()
print("--", flush=True)
print(subprocess.run([sys.argv[1], "tcp", "{}"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)
print("--")
print(subprocess.run(["ss", "-tanH"], capture_output=True, text=True, check=True).stdout)
print("--")
kernel()
"""

STATES = {"ESTAB": "established", "LISTEN": "listen", "CLOSE-WAIT": "close_wait", "FIN-WAIT-2": "fin_wait_2",
          "TIME-WAIT": "time_wait"}

FIELDS = {"tcp_opened_total": "TcpActiveOpens", "tcp_accepted_total": "TcpPassiveOpens",
          "tcp_established": "TcpCurrEstab", "tcp_retransmits_total": "TcpRetransSegs",
          "tcp_sent_segments_total": "TcpOutSegs", "tcp_resets_total": "TcpEstabResets",
          "tcp_listen_drops_total": "TcpExtListenDrops", "tcp_timeouts_total": "TcpExtTCPTimeouts",
          "udp_receive_errors_total": "UdpInErrors"}


def in_a_namespace():
    if os.geteuid() != 0:
        pytest.skip("needs root for a network namespace of its own")
    done = subprocess.run(["unshare", "-n", sys.executable, "-c", CONNECTIONS, tool()],
                          capture_output=True, text=True, timeout=60)
    if "unshare" in done.stderr and "failed" in done.stderr:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.split("--\n")


def test_tcp_states_are_those_of_ss_and_counters_those_of_the_kernel():
    before, ours, ss, after = in_a_namespace()
    got = values(ours.strip())
    seen = [line.split()[0] for line in ss.splitlines() if line.strip()]
    assert seen.count("ESTAB") >= 10 and seen.count("CLOSE-WAIT") == 3 and seen.count("TIME-WAIT") == 2
    for theirs, name in STATES.items():
        assert got[f"tcp_connections{{{name}}}"] == seen.count(theirs), name
    assert sum(v for k, v in got.items() if k.startswith("tcp_connections{")) == len(seen)
    assert got["tcp_time_wait"] == seen.count("TIME-WAIT")
    assert got["udp_sockets"] == 1

    # An acknowledgement that was put off is sent by the kernel when it likes.
    least, most = ({k: int(v) for k, v in (line.split() for line in text.strip().splitlines())} for text in (before, after))
    for name, field in FIELDS.items():
        between(least[field], got[name], most[field], name)
    assert got["tcp_opened_total"] in (10, 11)


# ---- memory, pressure, disks ----

def test_events_of_memory_are_those_of_vmstat():
    page = os.sysconf("SC_PAGESIZE")
    before = words("/proc/vmstat")
    got = one_tick("memory")
    after = words("/proc/vmstat")
    for name, word, size in [("swap_in_bytes_total", "pswpin", page), ("swap_out_bytes_total", "pswpout", page),
                             ("memory_major_faults_total", "pgmajfault", 1), ("oom_kills_total", "oom_kill", 1)]:
        between(before[word] * size, got[name], after[word] * size, name)


def test_totals_of_pressure_are_those_of_the_kernel():
    def totals():
        found = {}
        for resource in ("cpu", "memory", "io"):
            for line in pathlib.Path(f"/proc/pressure/{resource}").read_text().splitlines():
                found[line.split()[0], resource] = int(re.search(r"total=(\d+)", line)[1])
        return found

    try:
        before = totals()
    except OSError as e:  # built without, or started with psi=0
        assert not one_tick("pressure")
        pytest.skip(f"this kernel has no PSI: {e} (checked: the sampler shows none either)")
    got = one_tick("pressure")
    after = totals()
    for (kind, resource), least in before.items():
        if (kind, resource) == ("full", "cpu"):
            continue  # of a whole machine the kernel does not know it
        name = f"pressure_{kind}_us_total{{{resource}}}"
        between(least, got[name], after[kind, resource], name)
        assert 0 <= got[f"pressure_{kind}_pct{{{resource}}}"] <= 100
    assert not any("full" in k and "{cpu}" in k for k in got)


def df(columns, *paths):
    """A row for each path."""
    done = subprocess.run(["df", "-B1", f"--output={columns}", *paths], capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()[1:]]


def test_space_of_disks_is_that_of_df():
    # Whatever this machine's root lies on counts as local, so that there is one mount at least.
    options = f"types: [{df('fstype', '/')[0][0]}]"
    mounts = sorted(m[len("disk_total_bytes{"):-1] for m in one_tick("disk", options) if m.startswith("disk_total_bytes{"))
    assert mounts
    before = df("size,used", *mounts)
    got = one_tick("disk", options)
    after = df("size,used", *mounts)
    slack = 64 << 20  # others write and delete
    for mount, (size, used), (_, used_after) in zip(mounts, before, after):
        assert got[f"disk_total_bytes{{{mount}}}"] == int(size)
        between(min(int(used), int(used_after)) - slack, got[f"disk_used_bytes{{{mount}}}"],
                max(int(used), int(used_after)) + slack, mount)


# ---- the clock ----

class Timex(ctypes.Structure):
    _fields_ = [("modes", ctypes.c_uint)] + [(n, ctypes.c_long) for n in ("offset", "freq", "maxerror", "esterror")] + \
        [("status", ctypes.c_int)] + [(n, ctypes.c_long) for n in ("constant", "precision", "tolerance", "sec", "usec", "tick")] + \
        [("rest", ctypes.c_long * 32)]


def adjtimex():
    now = Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(now)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return now


def undisturbed_tick(sampler, seconds=60):
    """(before, sampled, after) with no correction of the clock in between: those come some seconds apart, a tick takes
    some milliseconds."""
    deadline = time.monotonic() + seconds
    while True:
        before, got, after = adjtimex(), one_tick(sampler), adjtimex()
        if (before.status, before.freq) == (after.status, after.freq) and after.maxerror >= before.maxerror:
            return before, got, after
        assert time.monotonic() < deadline, "the clock is corrected at every look"
        time.sleep(0.1)


def test_the_clocks_state_is_what_the_kernel_says():
    try:
        adjtimex()
    except OSError:  # a sandbox: then the sampler does not know either, and says so
        done = subprocess.run([tool(), "time"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.stdout.count("unknown") == 5 and not values(done.stdout) and "clock" in done.stderr
        return
    before, got, after = undisturbed_tick("time")
    assert got["time_synchronised"] == (0 if after.status & 0x40 else 1)
    between(before.maxerror / 1000, got["time_error_max_ms"], after.maxerror / 1000, "time_error_max_ms")
    assert ("time_offset_ms" in got) == bool(got["time_synchronised"])
    assert abs(got["time_frequency_ppm"] - after.freq / 65536) <= 0.0005


# ---- sensors ----

def readable(path):
    try:
        return path.read_text().strip()
    except OSError:  # the chip does not answer
        return ""


def test_temperatures_are_those_of_the_files():
    chips = list(pathlib.Path("/sys/class/hwmon").glob("hwmon*/temp*_input")) + \
        list(pathlib.Path("/sys/class/thermal").glob("thermal_zone*/temp"))
    got = one_tick("sensors", "max_sensors: 256")
    if not chips:
        assert not [k for k in got if k.startswith("temperature")]
        pytest.skip("this machine shows no sensor (checked: the sampler shows none either)")
    texts = [readable(c) for c in chips]
    now = [int(text) / 1000 for text in texts if text.lstrip("-").isdigit()]
    assert not now or [k for k in got if k.startswith("temperature")]
    for name, value in got.items():
        if name.startswith("temperature_celsius{"):
            assert any(abs(value - n) <= 20 for n in now), name
