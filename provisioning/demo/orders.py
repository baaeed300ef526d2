"""A site's orders: each is reviewed, picked and shipped, some take too long, some are never finished.

What happens is told to the site's agent by the public command `branchline-agent step`, as a real
program would. Order n of a site is the same in every run with the same seed.
"""

import asyncio
import random

from places import read_json, write_json

PROCESS = "demo-order"
ACTIVE_MAX = 40
CALLS_MAX = 4  # commands at once, of a site
CALL_S = 30
TRIES = 5
STOP_S = 8
OWNERS = {"SH": ("李华", "王芳", "张伟"), "BE": ("Anna Weber", "Jonas Koch", "Lena Vogt")}


class Book:
    """Which numbers were given and which orders are open, on disk: after a crash, too, an order of
    an earlier run is cancelled and no number is given twice."""

    def __init__(self, path):
        self._path = path
        book = read_json(path, {})
        self._last = {site: n for site, n in dict(book.get("last", {})).items() if isinstance(n, int)}
        self._open = {site: set(cases) for site, cases in dict(book.get("open", {})).items()}

    def begin(self, site):
        self._last[site.id] = n = self._last.get(site.id, 0) + 1
        case = f"{site.cases}-{n:06d}"
        self._open.setdefault(site.id, set()).add(case)
        self._save()
        return n, case

    def end(self, site, case):
        self._open[site.id].discard(case)
        self._save()

    def open(self, site):
        return sorted(self._open.get(site.id, ()))

    def _save(self):
        write_json(self._path, {"last": self._last,
                                "open": {site: sorted(cases) for site, cases in self._open.items()}})


class Reporter:
    """Tells the site's agent."""

    def __init__(self, agent, socket_path, log):
        self._command = (str(agent), "step")
        self._socket = str(socket_path)
        self._log = log
        self._calls = asyncio.Semaphore(CALLS_MAX)
        self.told = self.failed = 0

    async def tell(self, verb, case, step=None, tries=TRIES, **attributes):
        """True: the agent has it. Said again with the same id while it has not."""
        words = [*self._command, verb, "--case", case, "--process", PROCESS, "--socket", self._socket,
                 "--id", f"{case}-{verb}-{step or attributes.get('status', '')}"]
        if step is not None:
            words += ["--step", step]
        words += [f"{name}={value}" for name, value in attributes.items()]
        for n in range(tries):
            if n > 0:
                await asyncio.sleep(2)
            async with self._calls:
                code, why = await self._call(words)
            if code == 0:
                self.told += 1
                return True
        self.failed += 1
        self._log(f"{case}: {verb} could not be told: {why}")
        return False

    @staticmethod
    async def _call(words):
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE)
        try:
            _, said = await asyncio.wait_for(process.communicate(), CALL_S)
            return process.returncode, said.decode(errors="replace").strip()
        except asyncio.TimeoutError:
            return 1, f"no answer within {CALL_S} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


class Plan:
    """What becomes of order n."""

    def __init__(self, seed, site, n):
        self._random = random.Random(f"{seed}/{site.id}/{n}")
        self.kind = "slow" if n % 16 == 1 else "forgotten" if n % 32 == 3 else "usual"
        self.owner = self._random.choice(OWNERS[site.cases])
        self.type = self._random.choice(("shop", "online", "online"))
        self.amount = round(self._random.uniform(9, 900), 2)
        self.review_s = self._random.uniform(5, 15)
        self.picking_s = self._random.uniform(150, 210) if self.kind == "slow" else self._random.uniform(15, 35)
        self.shipping_s = self._random.uniform(10, 25)
        self.forgotten_s = self._random.uniform(20 * 60, 30 * 60)
        self.next_s = self._random.uniform(20, 40)  # until the next one begins


class Orders:
    """pace: 1 as planned, 0.1 ten times as fast."""

    def __init__(self, site, book, reporter, seed, pace):
        self.site = site
        self.counts = {"completed": 0, "cancelled": 0}
        self._book = book
        self._reporter = reporter
        self._seed = seed
        self._pace = pace
        self._active = set()
        self._stopping = False
        self._main = None

    @property
    def active(self):
        return len(self._book.open(self.site))

    def start(self):
        self._main = asyncio.ensure_future(self._run())

    async def stop(self):
        """What is open is cancelled, as far as the agent hears it in time."""
        self._stopping = True
        tasks = [self._main, *self._active]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(self._cancel_left("the demo was stopped", 1), STOP_S)
        except asyncio.TimeoutError:
            pass  # the next run does it

    async def _cancel_left(self, reason, tries):
        await asyncio.gather(*(self._cancel(case, reason, tries)
                               for case in self._book.open(self.site)))

    async def _cancel(self, case, reason, tries=TRIES):
        if await self._reporter.tell("event", case, tries=tries, status="cancelled", reason=reason):
            self._book.end(self.site, case)
            self.counts["cancelled"] += 1

    async def _run(self):
        await self._cancel_left("the demo was stopped", TRIES)
        while True:
            if len(self._active) < ACTIVE_MAX:
                n, case = self._book.begin(self.site)
                plan = Plan(self._seed, self.site, n)
                task = asyncio.ensure_future(self._one(case, plan))
                self._active.add(task)
                task.add_done_callback(self._active.discard)
                await self._wait(plan.next_s)
            else:
                await self._wait(30)

    async def _wait(self, seconds):
        await asyncio.sleep(seconds * self._pace)

    async def _step(self, case, name, seconds, **attributes):
        await self._reporter.tell("begin", case, name, **attributes)
        await self._wait(seconds)
        await self._reporter.tell("end", case, name)

    async def _one(self, case, plan):
        await self._step(case, "review", plan.review_s, owner=plan.owner, type=plan.type,
                         amount=plan.amount, status="in review")
        if plan.kind == "forgotten":
            await self._reporter.tell("begin", case, "picking", status="waiting for goods")
            await self._wait(plan.forgotten_s)
            await self._cancel(case, "goods never came")
            return
        await self._step(case, "picking", plan.picking_s, status="picking")
        await self._step(case, "shipping", plan.shipping_s, status="shipping")
        await self._reporter.tell("event", case, status="completed")
        self._book.end(self.site, case)
        self.counts["completed"] += 1
