"""What a line of a log costs where two patterns are asked about it and one line in twenty becomes a report."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from support.builds import program

FIGURES = {"loglines_lines_per_cpu_s": "lines/s"}
LINES = 400_000
CONFIG = r"""device: {id: d, site: s, part: 1}
broker: {host: x}
inlets:
  loglines:
    watch:
    - name: app
      path: /var/log/app.log
      patterns:
        - match: '^(?<time>\S+ \S+) order (?<no>\d+): (?<what>begin|end) (?<step>\w+)'
          map: {case: '{no}', step: '{step}', phase: '{what}', time: '{time}', time_format: '%F %T', zone: UTC}
        - match: 'payment (?<no>\d+) done'
          map: {report: case, case: '{no}', status: paid}
"""


def line(i):
    at = f"2026-11-28 10:{i // 60 % 60:02d}:{i % 60:02d}"
    if i % 20 == 0:
        return f"{at} order {i}: begin review by li\n"
    return f"{at},123 [http-nio-8080-exec-{i % 20}] INFO  c.s.shop.web.Access - GET /api/items/{i} 200 {i % 97}ms\n"


def cpu(config, log):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open() as lines:
        done = subprocess.run([program("branchline-agent"), "loglines", "test", "--name", "app", "--config", config],
                              stdin=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and done.stdout.count(" sends ") == LINES // 20, done.stderr[-500:]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(names):
    with tempfile.TemporaryDirectory() as folder:
        config, log = Path(folder, "agent.yaml"), Path(folder, "app.log")
        config.write_text(CONFIG)
        log.write_text("".join(map(line, range(LINES))))
        times = sorted(cpu(config, log) for _ in range(3))
    print(f"loglines: {LINES} lines, CPU {' '.join(f'{t:.2f}' for t in times)} s", file=sys.stderr)
    return {"loglines_lines_per_cpu_s": LINES / times[1]}
