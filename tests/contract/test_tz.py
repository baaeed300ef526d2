"""Every time zone of the system's tzdata: shared/tz (through tz_tool) against Python's zoneinfo.

Both read the same TZif files, each with a reader of its own.  All changes from 1972 to
2045 are looked at: from 2038 on nothing but the footer speaks.  A day's begin is looked
for here by trying instants one after the other: the first whose local date has been
reached.
"""

import datetime
import functools
import os
import pathlib
import shutil
import subprocess
import zoneinfo

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ZONES = pathlib.Path("/usr/share/zoneinfo")
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86400
BEGIN = int(datetime.datetime(1972, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime.datetime(2045, 1, 1, tzinfo=UTC).timestamp())


def tool():
    folders = [os.environ.get("BL_BUILD"), ROOT / "build" / "asan-ubsan", ROOT / "build" / "dev"]
    for folder in folders:
        path = pathlib.Path(folder or "/nonexistent") / "tests" / "tz_tool"
        if path.is_file():
            return path
    pytest.fail("tz_tool is not built: run tests/run, or set BL_BUILD to a build folder")


def ask(lines, *args):
    done = subprocess.run([tool(), *args], input="".join(line + "\n" for line in lines),
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@functools.cache
def names():
    """Every zone and link; tzdata.zi names them all."""
    found = set()
    for line in (ZONES / "tzdata.zi").read_text().splitlines():
        words = line.split()
        if words[:1] == ["Z"]:
            found.add(words[1])
        elif words[:1] == ["L"]:
            found.add(words[2])
    return sorted(found)


@functools.cache
def different():
    """One name for each content: links need not be looked at twice."""
    by_content = {}
    for name in names():
        by_content.setdefault((ZONES / name).read_bytes(), name)
    return sorted(by_content.values())


def local(tz, t):
    return datetime.datetime.fromtimestamp(t, tz)


def offset(tz, t):
    return round(local(tz, t).utcoffset().total_seconds())


def changes(tz, begin, end):
    """The instants from which another offset holds, to the second."""
    found = []
    before = offset(tz, begin)
    step = 3 * DAY
    for t in range(begin, end, step):
        if offset(tz, t) == before:
            continue
        low, high = t - step, t
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(tz, middle) == before else (low, middle)
        found.append(high)
        before = offset(tz, t)
    return found


def day_begin(tz, date):
    """The first instant whose local date is that one or later."""
    midnight = (datetime.datetime(date.year, date.month, date.day, tzinfo=UTC) - EPOCH) // datetime.timedelta(seconds=1)
    near = [offset(tz, midnight + h * 3600) for h in range(-28, 29, 4)]
    t = midnight - max(near) - 60
    assert local(tz, t).date() < date
    while local(tz, t).date() < date:
        t += 60
    # Whole minutes, or the seconds of a local mean time.
    while local(tz, t - 1).date() >= date:
        t -= 1
    return t


def day_of(tz, t):
    """Begin and end of the day that holds t."""
    date = local(tz, t).date()
    one = datetime.timedelta(days=1)
    while (end := day_begin(tz, date + one)) <= t:
        date += one
    return day_begin(tz, date), end


def compare(name, questions, want, *args):
    got = ask([f"zone {name}", *questions], *args)
    assert len(got) == len(want)
    wrong = [f"{q}: {g}, zoneinfo says {w}" for q, g, w in zip(questions, got, want) if g != w]
    assert not wrong, f"{name}: {len(wrong)} differ: {wrong[:5]}"


def check_offsets(name, tz, at, *args):
    instants = sorted({t + d for t in at for d in (-DAY, -1, 0, 1, 3600, DAY)} | {BEGIN, END, 0, -1})
    compare(name, [f"offset {t * 1000 + ms}" for t in instants for ms in (0, 999)],
            [str(offset(tz, t) * 1000) for t in instants for _ in (0, 999)], *args)


def check_days(name, tz, at, *args):
    instants = sorted({t + d for t in at for d in (-DAY, -1, 0, DAY)})
    compare(name, [f"day {t * 1000}" for t in instants],
            ["{} {}".format(*(x * 1000 for x in day_of(tz, t))) for t in instants], *args)


def test_tzdata_names_its_zones():
    assert len(names()) > 550
    assert len(different()) > 300


def test_every_zone_and_link_loads():
    ask([f"zone {name}" for name in names()])


@pytest.mark.parametrize("part", range(8))
def test_offsets_and_days_around_every_change(part):
    looked_at = 0
    for name in different()[part::8]:
        tz = zoneinfo.ZoneInfo(name)
        at = changes(tz, BEGIN, END)
        looked_at += len(at)
        check_offsets(name, tz, at)
        # Days of all changes of twenty-five years, and of the strange ones before.
        strange = [t for t in at if offset(tz, t) - offset(tz, t - 1) not in (3600, -3600)]
        check_days(name, tz, [t for t in at if local(UTC, t).year >= 2020 or t in strange][:200] or [BEGIN])
    assert looked_at > 1000


@pytest.mark.parametrize("name, begin, end, lengths", [
    ("Europe/Berlin", "2026-01-01", "2027-01-01", {23: 1, 24: 363, 25: 1}),
    ("Australia/Lord_Howe", "2026-01-01", "2027-01-01", {23.5: 1, 24: 363, 24.5: 1}),
    ("Pacific/Apia", "2011-12-01", "2012-01-01", {24: 30}),
    ("Pacific/Kwajalein", "1993-08-01", "1993-09-01", {24: 30}),
    ("America/Sao_Paulo", "2018-01-01", "2019-01-01", {23: 1, 24: 363, 25: 1}),
    ("Asia/Beirut", "2026-01-01", "2027-01-01", {23: 1, 24: 363, 25: 1}),
    ("America/St_Johns", "2010-01-01", "2011-01-01", {23: 1, 24: 363, 25: 1}),
    ("Antarctica/Casey", "2021-01-01", "2022-01-01", {21: 1, 24: 363, 27: 1}),
    ("Antarctica/Troll", "2026-01-01", "2027-01-01", {22: 1, 24: 363, 26: 1}),
    ("Asia/Shanghai", "2026-01-01", "2027-01-01", {24: 365}),
])
def test_a_year_is_made_of_days_of_these_lengths(name, begin, end, lengths):
    tz = zoneinfo.ZoneInfo(name)
    t = day_begin(tz, datetime.date.fromisoformat(begin)) * 1000
    end = day_begin(tz, datetime.date.fromisoformat(end)) * 1000
    answers = ask([f"zone {name}", *(f"day {at}" for at in range(t, end, 3600000))])
    seen = {}
    for first, last in (map(int, line.split()) for line in dict.fromkeys(answers)):
        assert first == t
        hours = (last - first) / 3600000
        seen[hours] = seen.get(hours, 0) + 1
        t = last
    assert t == end
    assert seen == lengths


def test_local_time_is_written_alike():
    for name in different()[::5]:
        tz = zoneinfo.ZoneInfo(name)
        at = range(BEGIN + DAY * 10, END, 86400 * 611 + 3607)
        want = []
        for t in at:
            when = local(tz, t)
            want.append(f"{when.isoformat()} {when.tzname()} {when.isoweekday() % 7}")
        compare(name, [f"text {t * 1000}" for t in at], want)


@pytest.mark.parametrize("style", ["slim", "fat"])
def test_both_styles_of_zic_say_the_same(style, tmp_path):
    """Slim files leave to the footer what fat ones list; both have to be read."""
    zic = shutil.which("zic", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert zic is not None, "zic is part of libc-bin"
    subprocess.run([zic, "-b", style, "-d", tmp_path, ZONES / "tzdata.zi"], check=True,
                   capture_output=True, timeout=100)
    for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago",
                 "Africa/Casablanca", "Asia/Shanghai", "Europe/Dublin", "America/Nuuk", "Etc/UTC"):
        tz = zoneinfo.ZoneInfo(name)
        at = changes(tz, BEGIN, END) or [BEGIN]
        check_offsets(name, tz, at, "--dir", str(tmp_path))
        check_days(name, tz, at[-60:], "--dir", str(tmp_path))
