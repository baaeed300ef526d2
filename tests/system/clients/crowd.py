"""A hundred reports over one client: from four threads, and from a fork of the program."""

import os
import sys
import threading

sys.path.insert(0, sys.argv[1])
from branchline import Client  # noqa: E402


def say(numbers):
    for n in numbers:
        assert agent.event("python.crowd", {"n": n}) == "accepted"


agent = Client(timeout=60)
threads = [threading.Thread(target=say, args=(range(20 * k, 20 * k + 20),)) for k in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
child = os.fork()
say(range(80, 90) if child == 0 else range(90, 100))
if child == 0:
    os._exit(0)
_, status = os.waitpid(child, 0)
if status != 0:
    sys.exit("the fork could not report")
print("python")
