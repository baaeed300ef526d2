"""Adds up the results of one test run.

report.py FOLDER [BROKEN ...]: FOLDER holds JUnit XML files; each BROKEN is a step that should have
led to tests and failed: it counts as one failed test.  Names what was skipped and why, then what failed
with the begin and the end of what it said: whoever reads the last 70 lines of a run reads those.  The last line is
"N passed, N failed, N skipped".  Exit code 1 when anything failed, or when nothing ran at all.
"""

import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

# What all failures say together may fill LINES, with one line each at least; one of them LINES_MAX.
LINES, LINES_MAX, WIDTH = 60, 25, 200


# Of what a test printed, and the lines that pytest puts between its parts.
PRINTED = 5
CAPTURED = re.compile(r"-+ *Captured .*-+")

# What a C test says of each case that passed.
NOISE = re.compile(r"\[ +(RUN|OK) +\]")


def written(case):
    """What the program wrote: CTest says no more than that it failed."""
    texts = [case.findtext(tag) or "" for tag in ("system-out", "system-err")]
    return "\n".join(line for text in texts for line in text.splitlines() if line.strip() and not NOISE.match(line))


def why_failed(case, child):
    """The message, what the test had printed (its seed, figures), and where: the last line of a trace by pytest names
    the file and the line."""
    said, trace = (child.get("message") or "").strip(), (child.text or "").strip().splitlines()
    if said and trace:
        printed = ["printed: " + line for line in written(case).splitlines() if not CAPTURED.fullmatch(line.strip())]
        where = [] if trace[-1].strip() in said else [trace[-1]]
        return "\n".join([said, *printed[-PRINTED:], *where])
    return said or "\n".join(trace) or written(case) or "it said nothing"


def why_skipped(case, child):
    said = child.get("message") or ""
    return next(iter(written(case).splitlines()[-1:]), said) if said.startswith("SKIP_RETURN_CODE") else said


def cases(path):
    """(Name, outcome, why) of each test in a file of results."""
    try:
        root = xml.parse(path).getroot()
    except (xml.ParseError, OSError) as error:
        yield path.name, "failed", str(error)
        return
    for case in root.iter("testcase"):
        name = "/".join(dict.fromkeys(filter(None, (case.get("classname"), case.get("name")))))
        outcome, why = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, why = "failed", why_failed(case, child)
                break
            if child.tag == "skipped":
                outcome, why = "skipped", why_skipped(case, child)
        if case.get("status") in ("fail", "notrun") and outcome == "passed":
            outcome, why = "failed", written(case) or "it did not run"
        if outcome == "failed" and case.get("time"):
            name += f" ({float(case.get('time')):.1f} s)"
        yield f"{path.stem}: {name}", outcome, why


def step_said(log, step):
    """What a step wrote, out of the log of the whole run."""
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return ("\n" + text).rpartition(f"\n== {step}\n")[2].partition("\n== ")[0]


def end_of(text, lines):
    """The first lines (what was asked for, and what was seen) and the last ones (what went wrong), each cut to a width."""
    every = [line.rstrip() for line in text.splitlines() if line.strip()]
    if len(every) > max(lines, 2):
        first = max(1, min(4, lines // 4))
        left_out = len(every) - lines + 1
        every = [*every[:first], f"({left_out} lines left out)", *every[first + left_out:]] if lines > 2 else every[:lines]
    return [line if len(line) <= WIDTH else line[:WIDTH] + " ..." for line in every]


def first_line(text):
    return next(iter(text.splitlines()), "")[:120]


def tell_skipped(skipped):
    """One line a reason: many are skipped for the same one."""
    by_reason = {}
    for name, why in skipped:
        by_reason.setdefault(first_line(why), []).append(name)
    for why, names in by_reason.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        print(f"skipped  {names[0]}{more}{': ' + why if why else ''}")


def tell_failed(failed):
    each = max(1, min(LINES_MAX, LINES // max(1, len(failed)) - 1))
    for name, why in failed:
        print(f"failed   {name}")
        for line in end_of(why, each):
            print(f"         | {line}")


def main(folder, broken):
    log = Path(folder).parent / "test-log.txt"
    told = {"passed": [], "failed": [(step, step_said(log, step)) for step in broken], "skipped": []}
    for path in sorted(Path(folder).glob("*.xml")):
        for name, outcome, why in cases(path):
            told[outcome].append((name, why))
    tell_skipped(told["skipped"])
    tell_failed(told["failed"])
    print(", ".join(f"{len(told[outcome])} {outcome}" for outcome in ("passed", "failed", "skipped")))
    return 1 if told["failed"] or not told["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
