"""The guide for a first process (agent/guide), done as it is written: every command of it, in order, with a real
organisation, and what it shows as output compared. Both languages have the same commands.

In the guide a block `sh` is run; a block `text` directly below it is what it says, none: nothing. `sh again` is a look at
something that takes a moment: it is looked at until it is as the guide says.
"""

import os
import re
import subprocess

import pytest

from support.builds import SOURCE, program
from support.org import Organisation
from support.process import clean_environment
from support.wait import free_port, wait_for

GUIDES = [SOURCE / "agent" / "guide" / name for name in ("first-process.md", "first-process.zh.md")]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```\n", re.M | re.S)
PATIENCE_S = 90
# By default it goes faster: a limit of one second, and a tick a second, since what is known of events reaches to the
# newest tick, and a late parcel is known at the next report then, not a minute later.
LONG = os.environ.get("BL_LONG")
FASTER = {} if LONG else {'"limit_ms": 10000': '"limit_ms": 1000'}
TICK = "" if LONG else "interval: 1s\n"

# What the guide says is different at each place.
FREE = [(r"\d{4}-\d\d-\d\dT[\d:.]+Z", r"\d{4}-\d\d-\d\dT[\d:.]+Z"), (r" +\d+\.\d s", r" +\d+\.\d s"),
        (r"my-shop", r"\S+"), (r"…", r".*"), (r"^\d+ +(?=\d|\w+ +\w+ +\d)", r"\\d+ +")]


def pattern(line):
    """A regular expression for what a line of the guide's output stands for."""
    places = "|".join(f"({place})" for place, _ in FREE)
    found, at = "", 0
    for m in re.finditer(places, line):
        found += re.escape(line[at:m.start()]) + FREE[m.lastindex - 1][1].replace("\\\\", "\\")
        at = m.end()
    return found + re.escape(line[at:])


def as_shown(output, shown):
    got, wanted = output.splitlines(), shown.splitlines()
    return len(got) == len(wanted) and all(re.fullmatch(pattern(w), g) for g, w in zip(got, wanted))


def blocks(text):
    """(commands, what they show, whether they are a look that may be repeated) in order."""
    found, end = [], None
    for m in BLOCK.finditer(text):
        kind = m[1].strip()
        if kind == "text":
            assert found and found[-1][1] is None and end == m.start(), f"output of nothing: {m[0]}"
            found[-1][1] = m[2]
        else:
            assert kind in ("sh", "sh again"), f"a block that is not run: {m[0]}"
            found.append([m[2], None, kind == "sh again"])
        end = m.end()
    assert text.count("```") == 2 * len(BLOCK.findall(text)), "a block without an end"
    return [(commands, shown or "", again) for commands, shown, again in found]


class Terminal:
    """One shell in which one block after the other is typed."""

    def __init__(self, folder, state, port):
        self.folder = folder
        self.places = {"/var/lib/branchline": state, "/srv/parcels": folder / "parcels", "127.0.0.1:9481": f"127.0.0.1:{port}",
                       "localhost:9481": f"localhost:{port}", **FASTER}
        path = folder / "bin"
        path.mkdir()
        for name in ("branchline", "branchline-agent"):
            (path / name).symlink_to(program(name))
        self.shell = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, text=True,
                                      env=clean_environment(PATH=f"{path}:{os.environ['PATH']}", LC_ALL="C.UTF-8"))

    def here(self, text):
        for place, ours in self.places.items():
            text = text.replace(place, str(ours))
        return text

    def run(self, commands):
        """What they wrote, both outputs, and the last exit code."""
        block, out, code = (self.folder / name for name in ("block", "out", "code"))
        code.unlink(missing_ok=True)
        block.write_text(self.here(commands))
        self.shell.stdin.write(f". {block} </dev/null >{out} 2>&1; echo $? >{code}.new; mv {code}.new {code}\n")
        self.shell.stdin.flush()
        wait_for(code.exists, PATIENCE_S, f"the end of\n{commands}", lambda: out.read_text() if out.exists() else "")
        return out.read_text(), int(code.read_text())

    def follow(self, commands, shown, again, log):
        said = [None]

        def as_the_guide_says():
            said[0] = self.run(commands)
            return said[0][1] == 0 and as_shown(said[0][0], self.here(shown))

        def told():
            return f"--- commands\n{commands}--- the guide\n{shown}--- here, exit code {said[0][1]}\n{said[0][0]}---\n{log()}"

        if again:
            wait_for(as_the_guide_says, PATIENCE_S, "what the guide shows", told)
        else:
            assert as_the_guide_says(), told()

    def close(self):
        self.shell.stdin.close()
        try:
            self.shell.wait(10)
        finally:
            self.shell.kill()


@pytest.mark.parametrize("got, shown, same", [
    ("3     2026-11-29T10:00:00.070Z  goes on    x  P-1", "1     2026-01-02T10:00:00.070Z  goes on    my-shop  P-1", True),
    ("3     2026-11-29T10:00:00.070Z  goes on    x  P-2", "1     2026-01-02T10:00:00.070Z  goes on    my-shop  P-1", False),
    ("12    warning  open  2026-11-29T10:00:00.070Z", "1     warning  open  2026-11-29T10:00:00.070Z", True),
    ("12    warning  resolved  2026-11-29T10:00:00.070Z", "1     warning  open  2026-11-29T10:00:00.070Z", False),
    ("took    123.0 s  a", "took      0.2 s  a", True),
    ("http       open; 2 taken, 1 refused", "http       open; 2 taken, 0 refused", False),
    ("2 taken", "3 taken", False),
    ("device till-1 at site north: healthy", "device … at site my-shop: healthy", True),
    ("device till-1 at site north: degraded", "device … at site my-shop: healthy", False),
    ("ok\nok\n", "ok\n", False),
    ("", "ok\n", False),
    ("a.b", "a…", True),
    ("axb", "a.b", False),
])
def test_what_differs_from_place_to_place(got, shown, same):
    assert as_shown(got, shown) == same


@pytest.mark.parametrize("text", ["```sh\ntrue\n```\n\nwords\n\n```text\nok\n```\n", "```yaml\na: b\n```\n", "```sh\ntrue\n", "```text\nok\n```\n"])
def test_a_block_that_would_not_be_run_is_a_mistake(text):
    with pytest.raises(AssertionError):
        blocks(text)


def test_both_languages_have_the_same_commands():
    english, chinese = (blocks(guide.read_text(encoding="utf-8")) for guide in GUIDES)
    assert len(english) > 10
    for one, other in zip(english, chinese):
        assert one == other
    assert len(english) == len(chinese)


def wrong_questions(org):
    """What `branchline case` says of mistakes, and of what is not there."""
    def said(*args):
        done = org.tool("case", *args, check=False)
        return done.returncode, done.stdout, done.stderr.split(";")[0].strip()
    assert said("list", "--process", "order", "--site", "north", "--open") == (0, "no cases\n", "")
    assert said("show", "77") == (1, "", 'branchline: There is no case "77".')
    assert said("list", "--site", "a&b=c") == (2, "", 'branchline case: expected an id (a-z, 0-9 and -), got "a&b=c"')
    for wrong in (["show"], ["show", "x"], ["show", "1", "2"], ["show", "../sites"], ["show", "9" * 19]):
        assert said(*wrong) == (2, "", "branchline case: expected the number of a case, as list shows it"), wrong
    assert said("list", "more") == (2, "", 'branchline case: unexpected argument "more"')
    assert said() == said("lost") == (2, "", "branchline case: expected list or show")
    assert said("list", "--never")[0] == 2


def test_the_guide_does_what_it_says(tmp_path, processes):
    org = Organisation(tmp_path, processes).start()
    org.tool("site", "add", "Corner", "--id", "corner")
    agent = org.add_agent("corner", "till", folder=org.folder / "agent", config=TICK).start()
    agent.process.wait_log("steps are taken", 30)
    wait_for(lambda: agent.status()["link"]["state"] == "up", 30, "the agent is connected", agent.process.log)
    text = GUIDES[0].read_text(encoding="utf-8")
    terminal = Terminal(tmp_path, org.folder, free_port())
    assert all(place in text for place in terminal.places)
    try:
        for commands, shown, again in blocks(text):
            terminal.follow(commands, shown, again, lambda: agent.process.log()[-3000:])
    finally:
        terminal.close()

    def case(name):
        listed = {c["case"]: c["no"] for c in org.api("GET", "/cases?process=parcel&limit=100")["items"]}
        return org.api("GET", f"/cases/{listed[name]}")
    assert case("P-1")["attrs"] == {"clerk": "Li Hua", "weight": 2.5, "customer": "王芳"}
    assert case("P-5")["attrs"] == {"clerk": "李华"}
    assert case("P-7")["attrs"] == {"customer": "王芳"}
    assert [step["step"] for step in case("P-3")["steps"]] == ["packing", "pick-up"]
    assert org.api("GET", "/cases?process=parcel&open=true")["items"] == []
    wrong_questions(org)
