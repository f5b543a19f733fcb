"""One run: load and faults, then silence, then the checker, then the account of it."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final

from aiokafka import TopicPartition
from rich.console import Console

from shared.runtime.health.registry_watch import EX_TEMPFAIL
from shared.vault.crypto import Vault
from tests.faults.checker.reading import lanes, places, reader
from tests.faults.checker.rules import READS
from tests.faults.injector import Injector
from tests.faults.load.outside_world import OutsideWorld
from tests.faults.load.retrying_producer import RetryingProducer
from tests.faults.operator_faults import OperatorFaults
from tests.faults.pipeline import DAY_SECONDS, Pipeline
from tests.faults.poison_senders import PoisonSenders
from tests.faults.recovery import Progress
from tests.faults.recovery_result import RecoveryResult
from tests.faults.run_report import RunReport, last_words, show
from tests.faults.schedule import STAGES, Fault, Place, schedule
from tests.faults.stream_noise import StreamNoise

DRAIN_SECONDS_MAX: Final = 90.0  # of a short run
STILL_SECONDS_MAX_LONG: Final = 360.0  # of a long one, without coming nearer to the end
DAY_SECONDS_LONG: Final = 60.0  # of a business day: a backlog of minutes is to expire nobody
OVERTIME_SECONDS_MIN: Final = 600.0  # after the last fault: it, silence, and what neither bounds
OVERTIME_SHARE: Final = 0.5  # of a long run
CLOSE_SECONDS_MAX: Final = 15.0
CHECK_SECONDS_MAX: Final = 1_800
# Killed; PostgreSQL's "immediate"; a broker that was away, or said no, just when a stage started.
EXPECTED_EXITS: Final = (-9, -3, 0, EX_TEMPFAIL)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    seed: int
    seconds: float
    rate: float
    is_short: bool
    reports: int = 0  # at least
    is_calm: bool = False
    brokers: int = 1
    only: frozenset[str] = frozenset()  # kinds of faults
    json: Path | None = None


def run(options: Options, out: Console) -> bool:
    """Run all of it; return whether nothing was lost, doubled, or stuck.

    The home stays where it is, with its logs and data, if something was.
    """
    began = time.monotonic()
    day_seconds = DAY_SECONDS if options.is_short else DAY_SECONDS_LONG
    with Pipeline(day_seconds, brokers=options.brokers) as pipeline:
        try:
            planned = _plan(pipeline, options, out)
            pipeline.up()
            out.print(f"up after {time.monotonic() - began:.0f} s in {pipeline.home.root}")
            account = asyncio.run(Run(pipeline, options, planned, out).play())
            is_sound = _check(pipeline, out, options) and not account.problems
            show(account, out)
            if not is_sound:
                pipeline.keep()
                last_words(pipeline, (*pipeline.brokers, "postgres", *STAGES), out)
        except (Exception, asyncio.CancelledError):
            pipeline.keep()
            raise
        finally:
            if pipeline.is_kept:
                out.print(f"logs and data stay in {pipeline.home.root}", soft_wrap=True)
    out.print(f"{time.monotonic() - began:.0f} s; seed {options.seed}")
    return is_sound


def _plan(pipeline: Pipeline, options: Options, out: Console) -> list[Fault]:
    """Return what will be done, and show it; mount what it needs."""
    wants_volumes = options.is_short and options.brokers == 1 and not options.is_calm
    if wants_volumes and not pipeline.mount():
        out.print("disk full: left out, this machine lets nobody mount a file system here")
    place = Place(options.brokers, has_volumes=pipeline.has_volumes)
    planned = schedule(options.seed, options.seconds, is_short=options.is_short, place=place)
    if options.is_calm:
        planned = []
    if options.only:
        planned = [fault for fault in planned if fault.kind in options.only]
    out.print(f"faults of seed {options.seed}, at {options.rate:g} reports/s:")
    for fault in planned:
        out.print(f"  {fault}", highlight=False)
    return planned


class Run:
    """The load, the faults, and the waiting for silence."""

    def __init__(
        self, pipeline: Pipeline, options: Options, planned: list[Fault], out: Console
    ) -> None:
        self._pipeline, self._options, self._planned, self._out = pipeline, options, planned, out
        self._producer = RetryingProducer(pipeline.kafka, pipeline.home.root / "intended.sent")
        vault = Vault.from_text(pipeline.home.read_secrets().master_key)
        self._outside_world = OutsideWorld(
            pipeline.kafka, self._producer, options.seed, pipeline.clock, vault.report_id
        )
        self._noise = StreamNoise(pipeline.kafka, self._producer, options.seed)
        self._strangers = PoisonSenders(pipeline.kafka, self._producer, options.seed)
        self._progress = Progress(pipeline.kafka)
        aftermath = RecoveryResult(self._progress)
        self._mistakes = OperatorFaults(pipeline, self._outside_world, aftermath)
        self._hand = Injector(pipeline, aftermath, self._mistakes)
        self._account = RunReport()
        self._background: list[asyncio.Task[Any]] = []
        self._act = "the faults are not over"  # what a run that takes too long was at

    async def play(self) -> RunReport:
        """Play it; what was meant to go wrong is written down for the checker."""
        seconds = self._options.seconds
        limit = seconds + max(OVERTIME_SECONDS_MIN, seconds * OVERTIME_SHARE)
        try:
            async with asyncio.timeout(limit):
                await self._acts()
        except TimeoutError:
            self._account.problems.append(f"not over after {limit:.0f} s: {self._act}")
        finally:
            for task in self._background:
                task.cancel()
            if self._background:
                await asyncio.wait(self._background, timeout=CLOSE_SECONDS_MAX)
            await self._outside_world.close()
            await self._strangers.close()
            await self._producer.close()
            self._sum_up()
        return self._account

    async def _acts(self) -> None:
        stop = asyncio.Event()
        noise = self._start(self._noise.run())
        self._start(self._outside_world.listen())
        self._start(self._progress.run())
        self._start(self._tend())
        options = self._options
        submitting = self._start(self._outside_world.submit(options.rate, stop, options.reports))
        strangers = self._start(self._strangers.run())
        if not options.is_calm:
            self._account.compared = await self._strangers.compare()
            self._out.print(str(self._account.compared), highlight=False, soft_wrap=True)
        faults = self._start(self._inflict())
        await asyncio.sleep(self._options.seconds)
        self._act = "a fault is not over"
        await asyncio.wait([faults])
        stop.set()
        await submitting
        noise.cancel()
        strangers.cancel()
        self._act = "the stages are not silent"
        await self._silence()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._background.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._account.problems.append(f"the run itself failed: {error!r}")

    async def _inflict(self) -> None:
        began, told = time.monotonic(), set[str]()

        async def one(fault: Fault) -> None:
            await asyncio.sleep(max(0.0, began + fault.at_seconds - time.monotonic()))
            suffered = await self._hand.inflict(fault)
            self._account.suffered.append(suffered)
            at = time.monotonic() - began
            seconds = suffered.recovery_seconds
            said = "-" if seconds is None else f"{seconds:.1f} s"
            self._out.print(f"{at:6.1f} s  {fault}: {said} {suffered.note}", highlight=False)
            last_words(self._pipeline, set(suffered.silent) - told, self._out)
            told.update(suffered.silent)

        await asyncio.gather(*map(one, self._planned))

    async def _tend(self) -> None:
        """Start again what has died often, and notice a stage that refuses to run."""
        told: set[str] = set()
        while True:
            await asyncio.sleep(0.5)
            self._pipeline.nudge()
            for refusal in self._pipeline.refused():
                if refusal not in told:
                    told.add(refusal)
                    self._account.problems.append(f"refuses to run: {refusal}")
                    self._out.print(f"[red]refuses to run[/]: {refusal}")

    async def _silence(self) -> None:
        """Wait until everybody has spoken and every stage has read all of it."""
        began = time.monotonic()
        await self._noise.quiet()
        is_short = self._options.is_short
        limit = DRAIN_SECONDS_MAX if is_short else STILL_SECONDS_MAX_LONG
        await self._outside_world.quiet(limit / 3)
        every, consumer = await places(self._pipeline.kafka), reader(self._pipeline.kafka)
        await consumer.start()
        silent_below = 50 + self._outside_world.submitted // 200  # the clocks of open reports go on
        calm, lags, least, nearer_at = 0, Counter[str](), inf, time.monotonic()
        try:
            while calm < 3 and time.monotonic() - nearer_at < limit:
                lags = await self._lags(consumer, every)
                calm = calm + 1 if lags.total() < silent_below else 0
                if lags.total() < least and not is_short:
                    least, nearer_at = lags.total(), time.monotonic()
                await asyncio.sleep(0.5)
        finally:
            await consumer.stop()
        if calm < 3:
            self._account.problems.append(f"not drained within {limit:.0f} s: {lags}")
        else:
            self._account.drained_seconds = time.monotonic() - began

    async def _lags(self, consumer: Any, every: list[TopicPartition]) -> Counter[str]:
        """Count the records that each stage has still to decide."""
        ends = await consumer.end_offsets(every)
        found = await lanes(self._pipeline.postgres)
        lags: Counter[str] = Counter()
        for stage, reads in READS.items():
            positions = found[stage].positions
            for tp, end in ends.items():
                if reads(tp.topic):
                    lags[stage] += max(0, end - positions.get((tp.topic, tp.partition), 0))
        return lags

    def _sum_up(self) -> None:
        account = self._account
        account.submitted = self._outside_world.submitted
        account.noise = {**self._noise.counts, **self._strangers.counts}
        if account.compared and account.compared.problem:
            account.problems.append(account.compared.problem)
        exits = self._pipeline.exits()
        account.exits = {f"{name} {code}": n for (name, code), n in sorted(exits.items())}
        for (name, code), n in exits.items():
            is_server = name == "postgres" or name in self._pipeline.brokers
            if code not in EXPECTED_EXITS and not is_server:
                account.problems.append(f"{name} ended {n} times by itself, with {code}")
        for suffered in account.suffered:
            if not suffered.is_done or suffered.note:
                account.problems.append(f"{suffered.fault}: {suffered.note}")
        clock = self._pipeline.clock
        intended = {
            "seed": self._options.seed,
            "poison": {**self._noise.poison, **self._strangers.poison},
            "bugs": self._mistakes.planned,
            "unsound": sorted(self._producer.unsound),
            "clock": [
                clock.scale, clock.real_origin.isoformat(), clock.business_origin.isoformat()
            ],
            "worst_recovery_seconds": account.worst_recovery_seconds,
        }  # fmt: skip
        (self._pipeline.home.root / "intended.json").write_text(json.dumps(intended))


def _check(pipeline: Pipeline, out: Console, options: Options) -> bool:
    """Run the checker as the program of its own that it is."""
    command = [
        sys.executable, "-m", "tests.faults.checker",
        "--kafka", pipeline.kafka, "--postgres", pipeline.postgres,
        "--intended", str(pipeline.home.root / "intended.json"),
        "--grace-seconds", "15" if options.is_short else "60",
    ]  # fmt: skip
    if options.json:
        command += ["--json", str(options.json)]
    try:
        done = subprocess.run(
            command, check=False, timeout=CHECK_SECONDS_MAX, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired:
        out.print(f"[red]problem[/]: the checker did not end in {CHECK_SECONDS_MAX} s")
        return False
    out.print(done.stdout, markup=False, highlight=False)
    out.print(done.stderr, markup=False, highlight=False)
    return done.returncode == 0
