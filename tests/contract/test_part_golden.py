"""Parts, read twice: by collector/src/chunk (through part_tool) and by part_decoder.py.

Golden regions are tests/data/chunk/NAME.hex with NAME.txt beside it: format 1.  They are never made
anew; a later format gets files of its own.
"""

import os
import pathlib
import random
import subprocess

import pytest

import part_decoder

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "chunk"
NAMES = sorted(p.stem for p in DATA.glob("*.hex"))


def tool():
    folders = [os.environ.get("BL_BUILD"), ROOT / "build" / "asan-ubsan", ROOT / "build" / "dev"]
    for folder in folders:
        for place in ("tests/part_tool", "part_tool"):
            path = pathlib.Path(folder or "/nonexistent") / place
            if path.is_file():
                return path
    pytest.fail("part_tool is not built: run tests/run, or set BL_BUILD to a build folder")


def run(*args, lines=()):
    done = subprocess.run([tool(), *args], input="".join(line + "\n" for line in lines),
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def by_program(regions):
    dumps = run("dump", lines=[r.hex() for r in regions]).split("\n\n")[:-1]
    return [dump.splitlines() for dump in dumps]


def by_page(region):
    try:
        return part_decoder.dump(region)
    except part_decoder.Corrupt:
        return ["refused"]


def golden(name):
    return bytes.fromhex((DATA / (name + ".hex")).read_text())


def test_there_are_regions_of_every_level():
    assert {name.split("-")[0] for name in NAMES} == {"raw", "m5", "h1"}


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_region_is_read_as_ever(name):
    want = (DATA / (name + ".txt")).read_text().splitlines()
    assert by_program([golden(name)])[0] == want
    assert by_page(golden(name)) == want


@pytest.mark.parametrize("seed", range(1, 4))
def test_both_read_what_is_written(seed):
    regions = []
    for i in range(4):
        regions += [bytes.fromhex(x) for x in run("random", str(seed * 100 + i), "12").split()]
    for region, read in zip(regions, by_program(regions), strict=True):
        assert len(read) == 13
        assert by_page(region) == read, region.hex()


def test_both_refuse_a_region_that_ends_early_or_has_changed():
    rng = random.Random(1)
    regions = []
    for name in NAMES:
        whole = golden(name)
        regions += [whole[:n] for n in rng.sample(range(len(whole)), 10)]
        for at in rng.sample(range(len(whole)), 30):
            regions.append(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
    for region, read in zip(regions, by_program(regions), strict=True):
        assert read == ["refused"] == by_page(region), region.hex()
