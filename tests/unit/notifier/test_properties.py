"""What holds for every sequence of events: hypothesis looks for one that breaks it."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from services.notifier.announced_dates import ANNOUNCED_DATES_MAX
from services.notifier.case import NotificationCase
from services.notifier.rules import decide
from shared.contract import events as e
from tests.unit.notifier.builders import NOON, REPORT, a_cause, a_report, every_fact, lookups

FACTS = sorted(every_fact().items())
LOOKUPS = lookups()
OUTCOMES = ("sent", "temporary", "permanent")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fact"), st.integers(0, len(FACTS) - 1)),
        st.tuples(st.just("report"), st.integers(0, 1)),
        st.tuples(st.sampled_from(OUTCOMES), st.integers(0, 3)),
    ),
    max_size=40,
)


def event_of(kind: str, which: int, case: NotificationCase | None) -> e.Event:
    """Return the event of a step; a delivery is of the `which`-th pending message, if any."""
    if kind == "fact":
        return FACTS[which][1]
    if kind == "report":
        return a_report(reporter={"phone": "0811"}) if which else a_report()
    pending = case.pending if case else ()
    identity = pending[which % len(pending)].notification_id if pending else "n-unknown"
    return e.DeliveryReported.model_validate(
        {"report_id": REPORT, "notification_id": identity, "outcome": kind}
    )


def run(steps: list[tuple[str, int]]) -> tuple[NotificationCase | None, list[BaseModel]]:
    """Decide the steps, ten minutes apart."""
    case: NotificationCase | None = None
    said: list[BaseModel] = []
    for n, (kind, which) in enumerate(steps):
        cause = a_cause(f"c-{n}", NOON + timedelta(minutes=10 * n))
        decision = decide(case, event_of(kind, which, case), cause, LOOKUPS)
        case = decision.case
        said += [o.event for o in decision.events]
    return case, said


@settings(deadline=None)
@given(STEPS)
def test_any_sequence_is_decided_the_same_way_twice(steps: list[tuple[str, int]]) -> None:
    """Total and deterministic: never a raise, the same case and events again."""
    assert run(steps) == run(steps)


@settings(deadline=None)
@given(STEPS)
def test_every_request_ends_once_or_is_pending(steps: list[tuple[str, int]]) -> None:
    """No message is lost, none is asked for twice, none ends twice."""
    case, said = run(steps)
    requested = [x.notification_id for x in said if isinstance(x, e.NotificationRequested)]
    ended = [
        x.notification_id
        for x in said
        if isinstance(x, e.NotificationSent | e.NotificationFailed) and x.attempts
    ]
    pending = [p.notification_id for p in case.pending] if case else []
    assert len(set(requested)) == len(requested)
    assert sorted(requested) == sorted(ended + pending)


@settings(deadline=None)
@given(STEPS)
def test_a_case_survives_its_storage(steps: list[tuple[str, int]]) -> None:
    """What is saved is what is loaded, and it stays bounded."""
    case, _ = run(steps)
    if case is not None:
        assert NotificationCase.model_validate_json(case.model_dump_json()) == case
        assert len(case.waiting) <= LOOKUPS.policy.waiting_max
        assert len(case.pending) <= LOOKUPS.policy.pending_max


@settings(deadline=None)
@given(STEPS)
def test_a_move_is_told_to_whom_the_old_date_was_promised(steps: list[tuple[str, int]]) -> None:
    """Every promise that stands was made by a message, and nobody hears of a move without one."""
    case, said = run(steps)
    requests = [x for x in said if isinstance(x, e.NotificationRequested)]
    made = {(x.notification_id, x.person, x.clock, x.institution, x.deadline) for x in requests}
    promises = case.announced_dates if case else ()
    assert len(promises) <= ANNOUNCED_DATES_MAX
    for p in promises:
        assert (p.notification_id, p.person, p.clock, p.institution, p.deadline) in made
    promised: set[tuple[str, str | None]] = set()
    for request in requests:
        if request.template in ("deadline_moved", "reporter_deadline_moved"):
            assert (request.person, request.clock) in promised
        if request.deadline:
            promised.add((request.person, request.clock))
