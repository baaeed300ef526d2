"""Adds up the results of one test run.

report.py FOLDER [BROKEN ...]: FOLDER holds JUnit XML files; each BROKEN is a step that should have
led to tests and failed: it counts as one failed test.  Names what failed and what was skipped and
why; the last line is "N passed, N failed, N skipped".  Exit code 1 when anything failed, or when
nothing ran at all.
"""

import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def cases(path):
    try:
        root = xml.parse(path).getroot()
    except (xml.ParseError, OSError) as error:
        yield path.name, "unreadable", "failed", str(error)
        return
    for case in root.iter("testcase"):
        name = "/".join(filter(None, (case.get("classname"), case.get("name"))))
        outcome, why = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                outcome, why = "failed", child.get("message") or ""
                break
            if child.tag == "skipped":
                outcome, why = "skipped", child.get("message") or ""
        if case.get("status") in ("fail", "notrun") and outcome == "passed":
            outcome = "failed"
        yield path.stem, name, outcome, why


def main(folder, broken):
    count = {"passed": 0, "failed": len(broken), "skipped": 0}
    for step in broken:
        print(f"failed   {step}")
    for path in sorted(Path(folder).glob("*.xml")):
        for part, name, outcome, why in cases(path):
            count[outcome] += 1
            if outcome != "passed":
                print(f"{outcome:8} {part}: {name}{': ' + why.splitlines()[0][:160] if why else ''}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
