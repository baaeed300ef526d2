"""Many devices at once: `branchline device add --file`, as an administrator with a spreadsheet does it."""

import subprocess

import pytest

from support.builds import program

LIST = ('\ufeffsite,name,id\r\nnorth,till 1,n1\r\nSouth Branch,"till 2, by the door",\r\n'
        'north,till 3,n3\r\n')


@pytest.fixture
def org(organisation):
    organisation.tool("site", "add", "North")
    organisation.tool("site", "add", "South Branch")
    return organisation


def add(org, text, *options, check=True):
    path = org.folder.parent / "list.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    return org.tool("device", "add", "--file", path, *options, check=check)


def devices(org):
    return {d["id"]: (d["site"], d["name"]) for d in org.api("GET", "/devices")["items"]}


def test_a_list_is_added_can_be_run_again_and_may_grow(org, tmp_path):
    done = add(org, LIST)
    lines = done.stdout.splitlines()
    assert lines[0] == "device n1" and lines[4] == "device n3"
    second = lines[2].split()[1]
    assert devices(org) == {"n1": ("north", "till 1"), second: ("south-branch", "till 2, by the door"),
                            "n3": ("north", "till 3")}
    # Each file is one that an agent takes, with a certificate that is noted and known.
    for device, file in zip(lines[::2], lines[1::2]):
        device = device.split()[1]
        setup = subprocess.run([program("branchline-agent"), "setup", file, "--dir", tmp_path / device],
                               capture_output=True, text=True, timeout=20)
        assert setup.returncode == 0, setup.stderr
        serial = org.api("GET", f"/devices/{device}")["certificate"]["serial"]
        assert any(line.split()[0] == serial and line.split()[2] == device
                   for line in (org.folder / "ca" / "issued").read_text().splitlines())
    # Handed over: the files may be gone, the devices still are not made again.
    (org.folder / "devices" / "n1.yaml").unlink()
    done = add(org, LIST + "north,till 4,n4\r\n")
    assert done.stdout.splitlines()[::2] == ["device n4"]
    assert "1 devices added, 3 were there already" in done.stderr
    assert len(devices(org)) == 4


def test_a_run_that_was_stopped_half_way_is_finished_by_the_next(org):
    org.api("POST", "/devices", {"site": "north", "name": "till 1", "id": "n1"})
    done = add(org, LIST)
    assert "3 devices added, 0 were there already" in done.stderr
    assert (org.folder / "devices" / "n1.yaml").exists()


MISTAKES = (
    ("site,name\nnorth,a\nwest,b\n", "line 3: no site has the id or name \"west\""),
    ("site,name\nnorth,a\nnorth,\n", "line 3: a name is missing"),
    ("site,name\nnorth,a\nnorth,caf\udce9\n", "line 3: the site, name or id is not UTF-8 text"),
    ("site,name,id\nnorth,a,x\nnorth,caf\udce9,y\n", "line 3: the site, name or id is not UTF-8 text"),
    ("site,name,id\nnorth,a,x\nn\udcf8rth,b,y\n", "line 3: the site, name or id is not UTF-8 text"),
    ("site,name\nnorth,a\nnorth," + "n" * 129 + "\n", "line 3: a name is missing, or longer than 128 bytes"),
    ("site,name\nnorth,a\nnorth,b\tc\n", "line 3: a name holds a control character"),
    ("site,name,id\nnorth,a,x\nnorth,b,Till 2\n", "line 3: an id is 1 to 63 of a-z, 0-9 and -"),
    ("site,name,id\nnorth,a,x\nnorth,b," + "i" * 64 + "\n", "line 3: an id is 1 to 63 of a-z, 0-9 and -"),
    ("site,name,id\nnorth,a,x\nnorth,b,x\n", "line 3: \"x\" stands in the list twice"),
    ("site,name\nnorth,a\nNorth,a\n", "line 3: \"north/a\" stands in the list twice"),
    ("site,name,id\nnorth,a,collector-live\n", "line 2: ids that begin with collector- are reserved"),
    ("site,name,id\nnorth,a,there\n", "line 2: the device there is there already, at site south-branch"),
    ("site|name\nnorth|a\n", "line 1"),
)


def test_a_list_with_a_mistake_changes_nothing(org):
    org.tool("device", "add", "South Branch", "other", "--id", "there")
    before = devices(org), (org.folder / "ca" / "issued").read_text()
    for text, why in MISTAKES:
        done = add(org, text, check=False)
        assert done.returncode == 1
        assert why in done.stderr and "Nothing was changed" in done.stderr, done.stderr
        assert (devices(org), (org.folder / "ca" / "issued").read_text()) == before, text
    for options in (["--id", "x"], ["--out", "x"]):
        done = add(org, LIST, *options, check=False)
        assert done.returncode == 2 and "--file" in done.stderr
