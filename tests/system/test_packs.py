"""Packs (shared/WIRE.md) are for a centre that takes them; every other one gets what it knows.

A real Mosquitto, an agent, and a stand-in for the collector (fake_centre.c) that says what it takes.
"""

import re

import pytest

from test_agent import Centre, Device


@pytest.mark.parametrize("takes, form", [(0, "bundle"), (12, "bundle"), (13, "pack"), (200, "pack")])
def test_an_agent_packs_for_a_centre_that_takes_it(tmp_path, pki, broker, processes, takes, form):
    centre = Centre(tmp_path, pki, broker.port)
    try:
        centre.do(f"takes {takes}")
        Device(tmp_path / "agent", pki, broker.port, processes).start()
        # What was cut when the link came: a batch of each stream, in one message.
        centre.wait("batch stream=", 3)
        assert set(re.findall(r"batch stream=\d seq=1 .* past=0 .* in=(\w+)", centre.log())) == {form}
    finally:
        centre.stop()
