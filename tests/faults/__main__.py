"""`python -m tests.faults [--seed N] [--minutes M] [--short]`: hurt a real stack, then count.

The short form takes three to four minutes. The long form, `--minutes 11 --reports 100000`, kills a
hundred times. A run is repeated by its seed: the same lives, the same
faults at the same times (the machine still decides what each process was doing then).
"""

import argparse
import logging
import signal
import sys
from pathlib import Path
from types import FrameType

from rich.console import Console

from tests.faults.run import Options, run
from tests.faults.schedule import ROUND_SECONDS

INTERRUPTED_EXIT = 130


def main() -> int:
    """Run; exit code 0 if nothing was lost, doubled, or stuck."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--short", action="store_true", help="one round of every fault")
    arguments.add_argument("--calm", action="store_true", help="the load alone, without a fault")
    arguments.add_argument("--rate", type=float, default=8.0, help="reports a second")
    arguments.add_argument("--reports", type=int, default=0, help="so many, at the rate it takes")
    arguments.add_argument("--brokers", type=int, default=1, help="3: each record thrice")
    arguments.add_argument("--only", default="", help="these kinds of faults alone, by comma")
    arguments.add_argument("--json", type=Path, help="write the checker's counts there")
    chosen = arguments.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    signal.signal(signal.SIGTERM, _interrupt)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells of an outage all the time
    seconds = ROUND_SECONDS if chosen.short else chosen.minutes * 60
    options = Options(
        seed=chosen.seed,
        seconds=seconds,
        rate=chosen.reports / seconds if chosen.reports else chosen.rate,
        reports=chosen.reports,
        is_short=chosen.short,
        is_calm=chosen.calm,
        brokers=chosen.brokers,
        only=frozenset(filter(None, chosen.only.split(","))),
        json=chosen.json,
    )
    try:
        return 0 if run(options, Console(width=120)) else 1
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as by Ctrl-C, so that nothing is left running; `timeout` sends its signal twice."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
