"""Which message finds room, and when one that does not should come again."""

import pytest

from services.notifier.breaker import FAILURES_MAX, PAUSE_SECONDS_MAX
from services.notifier.delivery_slots import (
    HOST_AT_ONCE,
    HOSTS_MAX,
    UNPROVEN_IN_HAND,
    Bulkhead,
    DeliverySlots,
    wait_seconds,
)
from services.notifier.senders import SENT, Outcome, permanent, put_off, temporary
from services.notifier.settings import NotifierSettings

AWAY = temporary("webhook_unreachable")


def bulkheads() -> DeliverySlots:
    """Return those of a process that has just started."""
    return DeliverySlots(NotifierSettings())


def fill(found: tuple[Bulkhead, ...], now: float = 0.0) -> int:
    """Take in hand as many messages as there is room for; return how many."""
    count = 0
    while wait_seconds(found, now) is None:
        for bulkhead in found:
            bulkhead.in_hand += 1
        count += 1
    return count


def test_a_full_host_leaves_room_for_every_other() -> None:
    """A thousand messages for one host hold as many places as one host has."""
    all_gates = bulkheads()
    assert fill(all_gates.of("webhook", "lambat.example")) == UNPROVEN_IN_HAND
    assert wait_seconds(all_gates.of("webhook", "lain.example"), 0.0) is None
    assert wait_seconds(all_gates.of("email"), 0.0) is None


def test_a_thousand_hosts_that_took_nothing_leave_room_for_one_that_did() -> None:
    """Names cost an attacker nothing; to have taken the last message does."""
    all_gates = bulkheads()
    good = all_gates.of("webhook", "baik.example")
    good[0].left(SENT, 0.0, 0.1, 0.0)
    for n in range(1_000):
        fill(all_gates.of("webhook", f"h{n}.example"))
    assert wait_seconds(all_gates.of("webhook", "baru.example"), 0.0) is not None
    assert wait_seconds(all_gates.of("webhook", "baik.example"), 0.0) is None


def test_each_that_finds_no_room_comes_at_a_time_of_its_own() -> None:
    """So that what waits is looked at a few times, not all of it all the time; bounded."""
    found = bulkheads().of("webhook", "lambat.example")
    found[0].left(temporary("webhook_timeout"), 0.0, 15.0, 0.0)
    fill(found)
    times = [wait_seconds(found, 0.0) or 0.0 for _ in range(1_000)]
    assert times == sorted(times)
    assert times[0] >= 1.0
    assert times[10] - times[9] == pytest.approx(found[0].attempt_seconds / HOST_AT_ONCE)
    assert times[-1] == PAUSE_SECONDS_MAX


def test_an_open_way_takes_one_message_when_its_pause_is_over() -> None:
    """Before that none; the others come after it."""
    found = bulkheads().of("email")
    away = temporary("smtp_unreachable")
    changes = [found[0].left(away, 0.0, 1.0, 0.0) for _ in range(FAILURES_MAX)]
    assert changes == [""] * 4 + ["circuit_opened"]
    assert (wait_seconds(found, 2.0) or 0.0) >= 29.0
    assert fill(found, 40.0) == 1


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ("a yes", SENT),
        ("a no", permanent("smtp_550")),
        ("a busy mailbox", temporary("smtp_450")),
        ("cut short while it took one message", temporary("smtp_interrupted")),
        ("a fault of one page", temporary("webhook_500")),
        ("a bug of ours", temporary("sender_KeyError")),
    ],
)
def test_what_concerns_one_message_closes_no_way(what: str, outcome: Outcome) -> None:
    """What somebody's address or text brings about must not make others wait."""
    assert not closed_by(outcome), what


@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ("nobody there", temporary("smtp_unreachable")),
        ("it takes nobody's messages", temporary("smtp_421")),
        ("it does not let us in", temporary("smtp_login_535")),
        ("it greets with a no", temporary("smtp_connect_554")),
        ("no answer in time", temporary("webhook_timeout")),
        ("no such name", temporary("webhook_unresolved")),
        ("no room on the disk", temporary("outbox_unwritable")),
    ],
)
def test_what_concerns_everybody_closes_a_way(what: str, outcome: Outcome) -> None:
    """The next would fare no better."""
    assert closed_by(outcome), what


def closed_by(outcome: Outcome) -> bool:
    """Say whether a way is closed after a row of such outcomes."""
    (bulkhead,) = bulkheads().of("email")
    for _ in range(2 * FAILURES_MAX):
        bulkhead.left(outcome, 0.0, 1.0, 0.0)
    return bulkhead.breaker is not None and bulkhead.breaker.is_open(1.5)


def test_what_was_no_attempt_says_nothing_of_a_way() -> None:
    """It neither closes nor opens it."""
    (bulkhead,) = bulkheads().of("email")
    for _ in range(10):
        assert bulkhead.left(put_off("no_room"), 0.0, 1.0, 0.0) == ""
    assert bulkhead.breaker is not None
    assert bulkhead.breaker.open_until is None


def test_so_many_hosts_are_remembered_and_no_more() -> None:
    """Memory is bounded; what is in hand is not forgotten."""
    all_gates = bulkheads()
    held = all_gates.of("webhook", "dipegang.example")
    held[0].in_hand = 1
    for n in range(2 * HOSTS_MAX):
        all_gates.of("webhook", f"h{n}.example")
    assert len(all_gates._hosts) == HOSTS_MAX
    assert all_gates.of("webhook", "dipegang.example")[0] is held[0]


def test_open_ways_are_counted_by_channel() -> None:
    """For the metric: never a host as a label."""
    all_gates = bulkheads()
    for host in ("a.example", "b.example", "c.example"):
        (bulkhead, _) = all_gates.of("webhook", host)
        for _ in range(FAILURES_MAX if host != "c.example" else 1):
            bulkhead.left(AWAY, 0.0, 1.0, 0.0)
    assert all_gates.open_circuits(2.0) == {"email": 0, "file": 0, "webhook": 2}
    assert all_gates.open_circuits(2_000.0)["webhook"] == 0  # nothing waits for them any more
