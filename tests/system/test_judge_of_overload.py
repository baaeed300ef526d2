"""The figures of an overload (tests/perf/overload.py) are only taken of one."""

import sys

import pytest

from support.builds import SOURCE

sys.path[:0] = [str(SOURCE / "tests" / name) for name in ("perf", "contract")]
import overload  # noqa: E402

SEEN, FOUND = {"offered_again": 20066, "unsettled": 0, "lost": 0}, {"check_wrong_agents": 0}


@pytest.mark.parametrize("stored_s,seen,found,why", [
    (54, {}, {}, None),
    (480, {}, {}, "it stored 480 of 500 batches a second, so it was not overloaded"),
    (54, {"offered_again": 0}, {}, "nothing was offered again, so it was not overloaded"),
    (54, {"unsettled": 1}, {}, "not all of it is there in the end"),
    (54, {"lost": 1}, {}, "not all of it is there in the end"),
    (54, {}, {"check_wrong_agents": 1}, "not all of it is there in the end"),
])
def test_no_figure_without_an_overload(stored_s, seen, found, why):
    assert overload.why_no_figure(stored_s, {**SEEN, **seen}, {**FOUND, **found}) == why
