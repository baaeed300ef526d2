#!/usr/bin/env python3
"""An order, from its arrival to its delivery, as a shop's program reports it: python3 order.py 4711"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import branchline  # noqa: E402


def report(say, *args, **more):
    """A shop goes on selling when its monitoring does not work: it says so, and no more."""
    try:
        say(*args, **more)
    except branchline.Error as failure:
        print(f"not reported: {failure}", file=sys.stderr)


order = sys.argv[1] if len(sys.argv) > 1 else "4711"
with branchline.Client() as agent:
    report(agent.step_begin, order, "review", {"customer": "李华", "amount": 129.5, "express": True}, process="order")
    # ... what the shop does ...
    report(agent.step_end, order, "review", process="order")
    report(agent.step_begin, order, "pick", process="order")
    report(agent.step_end, order, "pick", process="order")
    report(agent.case, order, status="delivered", process="order")
    report(agent.event, "shutter.opened")
    report(agent.metric, "queue_length", 12, {"lane": "3"}, unit="orders")
