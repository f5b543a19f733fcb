"""Who is told what, over which channel, and when."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from services.notifier.addresses import is_address
from services.notifier.case import NotificationCase
from services.notifier.rules import (
    Lookups,
    Policy,
    decide,
    notification_id,
)
from shared.contract import events as e
from shared.rules.decision import Decision
from shared.vault.crypto import ReportKey
from tests.unit.notifier.builders import (
    ANSWER,
    EMAIL,
    HEAD,
    HOOK,
    NOON,
    OVERSIGHT,
    POLICY,
    REPORT,
    a_cause,
    a_report,
    announced_before,
    every_fact,
    identity,
    lookups,
    message_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

FACTS = every_fact()
NIGHT = datetime.fromisoformat("2023-06-14T15:00+00:00")  # 23:00 in HSU
MORNING = datetime.fromisoformat("2023-06-14T22:00+00:00")  # 06:00 the next day
STRANGER = ReportKey(b"s" * 32, REPORT)


def events_of(decision: Decision[NotificationCase]) -> tuple[BaseModel, ...]:
    """Return the events alone."""
    return tuple(outgoing.event for outgoing in decision.events)


def requests_of(decision: Decision[NotificationCase]) -> list[e.NotificationRequested]:
    """Return what was requested."""
    return [x for x in events_of(decision) if isinstance(x, e.NotificationRequested)]


def told(*steps: tuple[e.Event, str], by: Lookups | None = None) -> Decision[NotificationCase]:
    """Decide steps of (event, cause id) in order; return the last decision."""
    decision: Decision[NotificationCase] = Decision(None)
    for event, cause in steps:
        decision = decide(decision.case, event, a_cause(cause), by or lookups())
    return decision


def a_pending(**policy: object) -> tuple[NotificationCase, str, Lookups]:
    """Return a case with one message due to the reporter, its id, and the lookups."""
    by = lookups(replace(POLICY, **policy))  # type: ignore[arg-type]
    case = told((a_report(), "c-1"), by=by).case
    assert case is not None
    return case, case.pending[0].notification_id, by


def delivered(identity: str, outcome: str, reason: str = "") -> e.DeliveryReported:
    """Build what the delivery loop reports."""
    return e.DeliveryReported.model_validate(
        {"report_id": REPORT, "notification_id": identity, "outcome": outcome, "reason": reason}
    )


class TestReporter:
    """How a reporter is reached."""

    @pytest.mark.parametrize(
        ("reporter", "channels"),
        [
            ({"email": EMAIL}, [("email", EMAIL)]),
            ({"email": EMAIL, "webhook": HOOK}, [("email", EMAIL), ("webhook", HOOK)]),
            ({"webhook": HOOK, "phone": "0811"}, [("webhook", HOOK)]),
            ({"phone": "0811", "sender_id": "@x"}, [("file", "0811")]),
            ({"sender_id": "@x"}, [("file", "@x")]),
            ({"name": "N."}, [("file", "")]),
            ({"email": "no address"}, [("file", "")]),
            ({"email": "a@b.example, c@d.example"}, [("file", "")]),
            ({"email": "a@b.example\nBcc: c@d.example"}, [("file", "")]),
            ({"webhook": "ftp://kanal.example"}, [("file", "")]),
            ({"webhook": "http://kanal.example"}, [("file", "")]),
        ],
    )
    def test_is_told_over_every_channel_that_reaches_them(
        self, reporter: dict[str, object], channels: list[tuple[str, str]]
    ) -> None:
        """By e-mail and webhook; by the outbox when neither is known."""
        requests = requests_of(told((a_report(reporter=reporter), "c-1")))
        assert [(r.channel, message_of(r)["to"]) for r in requests] == channels
        assert {r.person for r in requests} == {"reporter"}
        assert len({r.notification_id for r in requests}) == len(requests)

    def test_who_is_anonymous_is_told_too(self) -> None:
        """Anonymous to institutions and the public, not to the platform (domain.md section 4)."""
        (request,) = requests_of(told((a_report(anonymous=True), "c-1")))
        assert message_of(request)["to"] == EMAIL

    def test_is_told_through_the_outbox_where_a_channel_is_not_set_up(self) -> None:
        """An installation without a mail server loses no message."""
        by = lookups(replace(POLICY, channels=frozenset({"file"})))
        (request,) = requests_of(told((a_report(), "c-1"), by=by))
        assert request.channel == "file"

    @pytest.mark.parametrize("broken", [STRANGER.seal("identity", "{}"), "not sealed at all"])
    def test_whose_identity_cannot_be_opened_is_told_through_the_outbox(self, broken: str) -> None:
        """A broken seal is no reason to be silent."""
        (request,) = requests_of(told((a_report(sealed_identity=broken), "c-1")))
        assert (request.channel, message_of(request)["to"]) == ("file", "")

    def test_is_told_in_their_language(self) -> None:
        """English where the reporter asked for it."""
        (request,) = requests_of(told((a_report(language="en"), "c-1")))
        assert request.language == "en"
        assert message_of(request)["subject"] == "We have received your report"

    def test_without_a_key_gets_nothing_and_that_is_said(self) -> None:
        """A destroyed key has erased the report: nothing can be sealed or read any more."""
        decision = told((a_report(), "c-1"), by=lookups(keys={}))
        (failed,) = events_of(decision)
        assert isinstance(failed, e.NotificationFailed)
        assert (failed.reason, failed.permanent, failed.attempts) == ("no_key", True, 0)
        assert decision.case is not None
        assert decision.case.pending == ()

    def test_is_not_told_what_the_policy_leaves_out(self) -> None:
        """An operator may find a message too much."""
        by = lookups(replace(POLICY, suppressed=frozenset({"accepted"})))
        assert events_of(told((a_report(), "c-1"), (FACTS["accepted"], "c-2"), by=by)) == ()

    def test_is_met_once(self) -> None:
        """A second ReportReceived, which no stage says, changes nothing."""
        once = told((a_report(), "c-1"))
        again = decide(once.case, a_report(language="en"), a_cause("c-2"), lookups())
        assert again == Decision(once.case)


class TestOrder:
    """Across streams there is none."""

    @pytest.mark.parametrize("name", sorted(set(FACTS) - {"received"}))
    def test_a_fact_before_its_report_ends_in_the_same_messages(self, name: str) -> None:
        """Both orders: the same people, ids and words."""
        before_it = [(fact, f"before-{n}") for n, fact in enumerate(announced_before(name))]
        report, fact = (a_report(), "report"), (FACTS[name], "fact")
        after = told(report, *before_it, fact).case
        before = told(*before_it, fact, report).case
        assert after is not None
        assert before is not None
        assert before.waiting == ()
        by_id = {p.notification_id: p for p in after.pending}
        assert {p.notification_id: p for p in before.pending} == by_id

    def test_what_waited_is_dated_when_it_came_and_delivered_from_now_on(self) -> None:
        """The reply window counts from the follow-up, not from our learning who reported."""
        early = decide(None, FACTS["follow_up"], a_cause("fact"), lookups())
        late = a_cause("report", NOON + timedelta(days=3))
        met = decide(early.case, a_report(), late, lookups())
        received, follow_up = requests_of(met)
        assert (received.template, follow_up.template) == ("received", "follow_up")
        assert "sampai akhir hari Sabtu, 24 Juni 2023" in message_of(follow_up)["body"]
        assert met.case is not None
        assert {p.due_at for p in met.case.pending} == {late.now}
        (outgoing,) = (o for o in met.events if o.event is follow_up)
        assert outgoing.cause is not None
        assert outgoing.cause.id == "fact"

    def test_too_many_waiting_facts_are_given_up_aloud(self) -> None:
        """A case stays small."""
        by = lookups(replace(POLICY, waiting_max=2))
        steps = [(FACTS["withdrawn"], f"c-{n}") for n in range(3)]
        decision = told(*steps, by=by)
        (failed,) = events_of(decision)
        assert isinstance(failed, e.NotificationFailed)
        assert (failed.about, failed.reason) == ("c-2", "too_many_waiting")
        assert decision.case is not None
        assert len(decision.case.waiting) == 2

    def test_what_concerns_nobody_leaves_no_case(self) -> None:
        """A refusal that the institution is told of is not the reporter's."""
        refused = e.CommandRefused(
            report_id=REPORT,
            institution="6308",
            message_id="m",
            refused="c",
            command="FollowUp",
            holding=1,
            reason="stale_holding",
        )
        assert told((refused, "c-1")) == Decision(None)


class TestRoles:
    """Who is told of a deadline."""

    def test_are_told_at_once_without_knowing_the_reporter(self) -> None:
        """An escalation waits for nobody, not for the morning either."""
        decision = decide(None, FACTS["deadline_breached_2"], a_cause(now=NIGHT), lookups())
        (request,) = requests_of(decision)
        assert (request.person, request.channel) == (OVERSIGHT, "email")
        assert decision.case is not None
        assert decision.case.timer_at == NIGHT

    def test_are_each_told_once(self) -> None:
        """Somebody on the ladder twice gets one message; a role without address, the outbox."""
        recipients = (HEAD, "Ombudsman", HEAD, " ")
        breach = FACTS["deadline_breached_1"].model_copy(update={"recipients": recipients})
        requests = requests_of(told((breach, "c-1")))
        assert [(r.person, r.channel) for r in requests] == [(HEAD, "email"), ("Ombudsman", "file")]

    def test_are_not_told_who_reported_or_what(self) -> None:
        """The message names the report, the step and who owes it."""
        decision = told((a_report(), "c-1"), (FACTS["deadline_breached_3"], "c-2"))
        (request,) = requests_of(decision)
        body = message_of(request)["body"]
        assert EMAIL not in body
        assert "Lampu" not in body


class TestQuietHours:
    """Reporters sleep."""

    def test_a_message_at_night_is_due_in_the_morning(self) -> None:
        """23:00 in HSU: 06:00."""
        case = decide(None, a_report(institution="6308"), a_cause(now=NIGHT), lookups()).case
        assert case is not None
        assert case.timer_at == MORNING

    def test_a_retry_at_night_is_due_in_the_morning(self) -> None:
        """A failed attempt does not wake anybody either."""
        case, identity, by = a_pending()
        again = decide(case, delivered(identity, "temporary"), a_cause("d", NIGHT), by).case
        assert again is not None
        assert again.timer_at == MORNING

    def test_the_zone_is_the_institutions(self) -> None:
        """20:30 in WIB is not quiet when the policy says that the institution is there."""
        by = lookups(replace(POLICY, zones={"3204": "Asia/Jakarta"}))
        at = NIGHT - timedelta(hours=1, minutes=30)  # 21:30 WITA, 20:30 WIB
        case = decide(None, a_report(institution="3204"), a_cause(now=at), by).case
        assert case is not None
        assert case.timer_at == at


class TestDelivery:
    """What becomes of a message."""

    def test_sent_ends_it(self) -> None:
        """The provider took it at the first attempt."""
        case, identity, by = a_pending()
        decision = decide(case, delivered(identity, "sent"), a_cause("d"), by)
        (sent,) = events_of(decision)
        assert isinstance(sent, e.NotificationSent)
        assert (sent.notification_id, sent.about, sent.attempts) == (identity, "c-1", 1)
        assert decision.case is not None
        assert decision.case.timer_at is None

    def test_a_permanent_failure_ends_it_with_its_reason(self) -> None:
        """No repeat can help."""
        case, identity, by = a_pending()
        decision = decide(case, delivered(identity, "permanent", "smtp_550"), a_cause("d"), by)
        (failed,) = events_of(decision)
        assert isinstance(failed, e.NotificationFailed)
        assert (failed.reason, failed.permanent, failed.attempts) == ("smtp_550", True, 1)

    def test_temporary_failures_wait_longer_each_time_and_end(self) -> None:
        """1, 4, 16, 64 minutes, then 256, then 6 hours, and at last it is given up."""
        by = lookups(replace(POLICY, quiet=replace(POLICY.quiet, end=POLICY.quiet.start)))
        case = told((a_report(), "c-1"), by=by).case
        assert case is not None
        identity, waits, now = case.pending[0].notification_id, [], NOON
        for n in range(POLICY.attempts_max - 1):
            cause = a_cause(f"d-{n}", now)
            decision = decide(case, delivered(identity, "temporary"), cause, by)
            case = decision.case
            assert case is not None
            assert decision.events == ()
            assert case.timer_at is not None
            waits.append((case.timer_at - now) // timedelta(minutes=1))
            now = case.timer_at
        assert waits == [1, 4, 16, 64, 256, 360, 360, 360, 360]
        last = decide(case, delivered(identity, "temporary", "smtp_421"), a_cause("d", now), by)
        (failed,) = events_of(last)
        assert isinstance(failed, e.NotificationFailed)
        assert (failed.reason, failed.permanent, failed.attempts) == ("smtp_421", False, 10)
        assert last.case is not None
        assert last.case.pending == ()

    @pytest.mark.parametrize("outcome", ["sent", "temporary", "permanent"])
    def test_a_report_about_nothing_pending_is_nothing(self, outcome: str) -> None:
        """A repeat after the end, or a message of a database that was restored."""
        case, _, by = a_pending()
        for before in (None, case):
            decision = decide(before, delivered("n-0", outcome), a_cause("d"), by)
            assert decision == Decision(before)

    def test_too_many_pending_are_given_up_aloud(self) -> None:
        """A mail server that is away for weeks does not make a case grow without end."""
        case, _, by = a_pending(pending_max=1)
        decision = decide(case, FACTS["accepted"], a_cause("c-2"), by)
        (failed,) = events_of(decision)
        assert isinstance(failed, e.NotificationFailed)
        assert failed.reason == "too_many_pending"


class TestPrivacy:
    """Nothing personal leaves in the clear."""

    def test_events_and_case_hold_no_contact_and_no_words(self) -> None:
        """Addresses, numbers and texts are only inside what is sealed."""
        personal = {"email": EMAIL, "webhook": HOOK, "phone": "08110001", "name": "Siti Contoh"}
        steps: Sequence[tuple[e.Event, str]] = [
            (a_report(reporter=personal), "c-1"),
            (FACTS["follow_up"], "c-2"),
        ]
        case: NotificationCase | None = None
        for event, cause in steps:
            decision = decide(case, event, a_cause(cause), lookups())
            case = decision.case
            texts = [x.model_dump_json() for x in (case, *events_of(decision)) if x]
            for secret in (*personal.values(), ANSWER, "Melati"):
                assert not any(secret in text for text in texts)

    def test_the_longest_text_still_fits_what_is_sealed(self) -> None:
        """Four bytes a character, in base64: below the limit of the field."""
        long = lookups().keys[REPORT].seal("text", "\U0001f9ef" * 11_000)
        follow_up = FACTS["follow_up"].model_copy(update={"text": long})
        (request,) = requests_of(told((a_report(), "c-1"), (follow_up, "c-2")))
        assert len(request.message) < 60_000

    def test_words_sealed_with_another_key_are_said_to_be_missing(self) -> None:
        """The message still tells what happened and where to look."""
        follow_up = FACTS["follow_up"].model_copy(update={"text": STRANGER.seal("text", "x")})
        (request,) = requests_of(told((a_report(), "c-1"), (follow_up, "c-2")))
        assert "tidak dapat ditampilkan" in message_of(request)["body"]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a@b.example", True),
        ("a.b+c@d-e.example", True),
        ("", False),
        ("a", False),
        ("a@", False),
        ("@b.example", False),
        ("a@b@c.example", False),
        ("a@b.example\n", False),
        ("a b@c.example", False),
        ("<a@b.example>", False),
        ("a@b.example,c@d.example", False),
        ("a@b.example;c", False),
        ("a\x00@b.example", False),
        ("a" * 65 + "@b.example", False),
        ("=?utf-8?q?a=40c.example=2C_b?=@b.example", False),
        ("a@=?utf-8?q?b=2C?=", False),
    ],
)
def test_an_address_is_exactly_one(text: str, *, fits: bool) -> None:
    """Nothing that could name a second recipient or a header."""
    assert is_address(text) is fits


def test_one_message_per_event_person_and_channel() -> None:
    """The id is a function of the three and tells them apart."""
    ids = {
        notification_id(about, person, channel)
        for about in ("c-1", "c-2")
        for person in ("reporter", HEAD)
        for channel in ("email", "file")
    }
    assert len(ids) == 8
    assert notification_id("c-1", HEAD, "email") in ids


def test_the_default_policy_is_whole() -> None:
    """Every number has a default of its own."""
    assert Policy().windows("6308", NOON).reply_days == 10


def test_an_identity_is_read_back() -> None:
    """The builders seal as intake does."""
    (request,) = requests_of(told((a_report(sealed_identity=identity(email=EMAIL)), "c-1")))
    assert message_of(request)["to"] == EMAIL
