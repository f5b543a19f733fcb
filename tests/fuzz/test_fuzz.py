"""Fifty thousand inputs of one seed, in memory; the fuzzer itself is tried on spoilt code, too."""

import json
import resource
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import pytest

from services.agencies import inbound
from shared.contract import envelope
from shared.contract.events import Command
from shared.contract.text_checks import texts_in
from shared.runtime import writer
from shared.runtime.decider import Decider
from shared.runtime.kafka.record_batches import GuardedRecords
from shared.runtime.reader import Reader
from tests.fuzz.grammar import Batch, drawn
from tests.fuzz.hunt import fault, hunt
from tests.fuzz.memory import Target

SEED: Final = 1
SHARDS: Final = 20
SHARD: Final = 2_500
MORE_MEMORY_KB_MAX: Final = 160 * 1024  # of a process over a shard, above what it began with
NOTICED_WITHIN: Final = 3_000


@cache
def target() -> Target:
    """Return the gateways of this process's tests."""
    return Target()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_an_outsider_cannot_send_what_is_not_answered(shard: int) -> None:
    """Each record has one small answer, nothing is raised, and memory stays bounded."""
    gateways = target()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    finding = hunt(gateways, SEED, range(shard * SHARD, (shard + 1) * SHARD))

    assert finding is None, f"\n{finding}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MORE_MEMORY_KB_MAX


def test_a_seed_gives_the_same_bytes_each_time() -> None:
    """A finding can be tried again on another machine, another day."""
    reports = target().reports
    for number in range(300):
        given, again = drawn(7, number, reports), drawn(7, number, reports)
        assert given == again
        if isinstance(given, Batch) and isinstance(again, Batch):
            assert given.raw() == again.raw()


@pytest.mark.parametrize(("seed", "number"), [(2, 75_504)])
def test_what_the_fuzzer_found_stays_mended(seed: int, number: int) -> None:
    """A replay with a null header ended its stage, and again after each start."""
    gateways = target()

    assert fault(gateways, drawn(seed, number, gateways.reports)) is None


# ---- what it must notice


def _raise(*_: Any) -> Iterator[Any]:
    raise UnicodeDecodeError("utf-8", b"", 0, 1, "as aiokafka does")


def _only_json(reader: Reader, records: Any) -> Any:
    return [item for record in records if (item := reader._read(record)) and _is_json(record)]


def _is_json(record: Any) -> bool:
    try:
        json.loads(record.value or b"")
    except (ValueError, RecursionError):
        return False
    return True


def _at_length(wrong: Any) -> tuple[str, str]:
    return "invalid_fields", str(wrong.errors(include_url=False)) * 20


def _anew(*_: Any) -> str:
    return str(uuid.uuid4())


def _only_ascii(command: Command) -> None:
    for _, text in texts_in(command):
        text.encode("ascii")


_decide = Decider._decide


def _forgets(decider: Any, work: Any, message: Any, stored: Any) -> None:
    if not message.cause.is_repeat:
        _decide(decider, work, message, stored)


SPOILT: Final = {
    "a name of a header that is no text raises": (GuardedRecords, "_one_by_one", _raise),
    "what is no JSON has no answer": (Reader, "read", _only_json),
    "an answer repeats all that was wrong": (envelope, "_explain", _at_length),
    "ids are drawn, not derived": (writer, "derive_id", _anew),
    "a rule raises at what is not ASCII": (inbound, "_text_fault", _only_ascii),
    "a repeat has no answer": (Decider, "_decide", _forgets),
}


@contextmanager
def spoilt(where: Any, name: str, by: Any) -> Iterator[None]:
    """Spoil one function of the code while it lasts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(where, name, by)
        yield


@pytest.mark.parametrize("name", SPOILT)
def test_the_fuzzer_notices_code_that_is_spoilt(name: str) -> None:
    """Within a few thousand inputs, and says with which."""
    with spoilt(*SPOILT[name]):
        finding = hunt(target(), SEED, range(NOTICED_WITHIN))

    assert finding is not None
    assert f"--case {SEED}:{finding.number}" in str(finding)
