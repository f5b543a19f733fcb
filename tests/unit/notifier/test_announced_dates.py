"""Which date was told to whom, and who is told when it moves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from services.notifier.announced_dates import ANNOUNCED_DATES_MAX, EARLY_MAX
from services.notifier.case import NotificationCase
from services.notifier.rules import Lookups, decide
from shared.contract import events as e
from tests.unit.notifier.builders import (
    DEADLINE,
    EMAIL,
    HEAD,
    HOOK,
    LATER,
    NOON,
    OVERSIGHT,
    POLICY,
    WHYS,
    a_breach,
    a_cause,
    a_deadline_set,
    a_move,
    a_report,
    a_warning,
    a_withdrawal,
    every_fact,
    lookups,
    message_of,
)

FIRST = DEADLINE["deadline"]
FOLLOW_UP = every_fact()["follow_up"]
REPLY_UNTIL = datetime.fromisoformat("2023-06-24T16:00+00:00")  # ten days on, the day's end, WITA


def requested(*steps: e.Event, by: Lookups | None = None) -> list[e.NotificationRequested]:
    """Return all that was asked for by steps in order."""
    return run(*steps, by=by)[1]


def run(
    *steps: e.Event, by: Lookups | None = None
) -> tuple[NotificationCase, list[e.NotificationRequested]]:
    """Decide steps in order; return the case and what was asked for."""
    case: NotificationCase | None = None
    asked: list[e.NotificationRequested] = []
    for n, step in enumerate(steps):
        decision = decide(case, step, a_cause(f"c-{n}"), by or lookups())
        case = decision.case
        said = [o.event for o in decision.events]
        asked += [event for event in said if isinstance(event, e.NotificationRequested)]
    assert case is not None
    return case, asked


def told(asked: Sequence[e.NotificationRequested]) -> list[tuple[str, str]]:
    """Return who was told by which template."""
    return [(each.template, each.person) for each in asked]


ORDERS = [o for o in permutations(range(5)) if o.index(2) < o.index(3) < o.index(4)]
"""Of a report, its follow-up, and a date set and moved twice: those lie in one stream, in order."""


class TestAPromise:
    """What is one."""

    def test_is_a_message_that_names_a_date(self) -> None:
        """Its event and the case say which date, of which clock and where; the message is named."""
        case, (_, dispatched) = run(a_report(), a_deadline_set())
        assert (dispatched.template, dispatched.about) == ("dispatched", "c-1")
        date = (dispatched.clock, dispatched.institution, dispatched.deadline)
        assert date == ("follow_up", "6308", FIRST)
        assert "akhir hari Jumat, 7 Juli 2023 (WITA)" in message_of(dispatched)["body"]
        (promise,) = case.announced_dates
        assert (promise.clock, promise.institution, promise.deadline) == date
        assert promise.person == "reporter"
        assert promise.notification_id == dispatched.notification_id
        assert promise.announced_at == NOON

    @pytest.mark.parametrize(
        ("clock", "started_by", "template"),
        [
            ("institution_verification", "forwarded", "forwarded"),
            ("follow_up", "dispatched", "dispatched"),
            ("follow_up", "answered", "replied"),
            ("follow_up", "reopened", "reopened"),
            ("follow_up", None, "dispatched"),
        ],
    )
    def test_is_made_when_somebody_gets_the_report(
        self, clock: str, started_by: str | None, template: str
    ) -> None:
        """One message says who has it now, why, and until when; an old event says no why."""
        _, date = requested(a_report(), a_deadline_set(clock=clock, started_by=started_by))
        assert (date.template, date.deadline) == (template, FIRST)

    @pytest.mark.parametrize("clock", ["national_verification", "dispatch", "completion", "reply"])
    def test_is_not_made_of_a_clock_whose_start_tells_the_reporter_nothing(
        self, clock: str
    ) -> None:
        """No second message where one says already what to do, none for what takes a second."""
        assert len(requested(a_report(), a_deadline_set(clock=clock))) == 1

    def test_is_the_end_of_the_reply_window_too(self) -> None:
        """The date that a follow-up names is the SLA monitor's: the end of a local day."""
        _, follow_up = requested(a_report(), FOLLOW_UP)
        assert (follow_up.clock, follow_up.deadline) == ("reply", REPLY_UNTIL)

    def test_is_a_warning_but_no_breach(self) -> None:
        """Whoever is warned is told a date to come; an escalation tells of one that passed."""
        case, (warned, escalated) = run(a_warning(), a_breach(1, OVERSIGHT))
        assert (warned.person, warned.deadline) == (HEAD, FIRST)
        assert (escalated.person, escalated.deadline) == (OVERSIGHT, None)
        assert [p.person for p in case.announced_dates] == [HEAD]

    def test_takes_the_place_of_the_one_before(self) -> None:
        """The last date of a person, channel, clock and institution stands."""
        later = a_deadline_set(deadline=LATER, started_by="answered")
        case, _ = run(a_report(), a_deadline_set(), later)
        assert [p.deadline for p in case.announced_dates] == [LATER]

    def test_is_not_made_without_a_message(self) -> None:
        """Nothing can be sealed without a key, nothing is said that the operator leaves out."""
        for by in (
            lookups(keys={}),
            lookups(replace(POLICY, suppressed=frozenset({"dispatched"}))),
        ):
            case, _ = run(a_report(), a_deadline_set(), by=by)
            assert case.announced_dates == ()

    def test_stays_bounded(self) -> None:
        """Past the bound the oldest goes; all of them are in the notifications' stream."""
        people = [f"p{n}@hsu.example" for n in range(ANNOUNCED_DATES_MAX + 5)]
        case, asked = run(a_warning(*people), by=lookups(replace(POLICY, pending_max=1_000)))
        assert len(asked) == len(people)
        assert [p.person for p in case.announced_dates] == people[5:]


class TestAMove:
    """Whoever was told the old date is told the new one, and nobody else."""

    def test_is_told_to_everyone_who_was_told(self) -> None:
        """The reporter over each channel, and whoever was warned: once each, by the new date."""
        both = a_report(reporter={"email": EMAIL, "webhook": HOOK})
        before = (both, a_deadline_set(), a_warning(HEAD, "Ombudsman"))
        case, asked = run(*before, a_move())
        new = [each for each in asked if each.about == f"c-{len(before)}"]
        assert [(x.template, x.person, x.channel) for x in new] == [
            ("reporter_deadline_moved", "reporter", "email"),
            ("reporter_deadline_moved", "reporter", "webhook"),
            ("deadline_moved", HEAD, "email"),
            ("deadline_moved", "Ombudsman", "file"),
        ]
        assert {x.deadline for x in new} == {p.deadline for p in case.announced_dates} == {LATER}
        assert len({x.notification_id for x in asked}) == len(asked)

    @pytest.mark.parametrize("language", ["id", "en"])
    @pytest.mark.parametrize("why", WHYS)
    def test_says_both_dates_and_why(self, why: str, language: e.Language) -> None:
        """Each reason in words."""
        steps = (a_report(language=language), a_deadline_set(), a_move(why=why))
        body = message_of(requested(*steps)[-1])["body"]
        words = {"id": ("7 Juli", "11 Juli", "Sebabnya: "), "en": ("7 July", "11 July", "Why: ")}
        assert all(word in body for word in words[language])

    def test_is_told_nobody_who_was_not_told(self) -> None:
        """Neither the reporter nor a role, whatever else they know of the report."""
        others: list[tuple[e.Event, ...]] = [
            (),
            (a_deadline_set(deadline=LATER),),
            (a_deadline_set(clock="institution_verification"),),
            (a_deadline_set(institution="3204"),),
            (a_warning(deadline=LATER),),
        ]
        for other in others:
            asked = requested(a_report(), *other, a_move())
            assert not [x for x in asked if "moved" in x.template], other

    def test_is_told_again_when_it_moves_again(self) -> None:
        """The new date is a promise as the first was; one that comes back is told as well."""
        back = a_move(deadline=FIRST, deadline_before=LATER)
        asked = requested(a_report(), a_deadline_set(), a_move(), back, a_move())
        assert [x.deadline for x in asked[2:]] == [LATER, FIRST, LATER]

    def test_waits_for_the_reporter_with_the_date(self) -> None:
        """Both came before the report: told in their order, the move delivered last."""
        case, asked = run(a_deadline_set(), a_move(), a_report())
        assert [x.template for x in asked] == ["received", "dispatched", "reporter_deadline_moved"]
        assert case.waiting == ()

    def test_reaches_roles_before_the_reporter_is_known(self) -> None:
        """They were warned at once; the move waits for the reporter, then all are told."""
        asked = requested(a_deadline_set(), a_warning(), a_move(), a_report())
        assert sorted(told(asked)) == [
            ("deadline_approaching", HEAD), ("deadline_moved", HEAD), ("dispatched", "reporter"),
            ("received", "reporter"), ("reporter_deadline_moved", "reporter"),
        ]  # fmt: skip

    def test_of_an_institutions_own_clock_does_not_wait_for_the_reporter(self) -> None:
        """The reporter is never told of it, so nothing holds it up."""
        warned = a_warning(clock="dispatch", owner="institution")
        _, moved = requested(warned, a_move(clock="dispatch", owner="institution"))
        assert (moved.template, moved.person) == ("deadline_moved", HEAD)

    def test_by_night_waits_for_the_morning_of_the_reporter_alone(self) -> None:
        """Quiet hours hold for it as for every message."""
        case, _ = run(a_report(), a_deadline_set(), a_warning())
        night = NOON + timedelta(hours=11)  # 23:00 in HSU
        moved = decide(case, a_move(), a_cause("night", night), lookups()).case
        assert moved is not None
        due = {p.person: p.due_at for p in moved.pending if p.about == "night"}
        assert due == {HEAD: night, "reporter": night + timedelta(hours=7)}


class TestAReplyWindow:
    """Its date is named by the follow-up, in another stream than the move's."""

    SET = a_deadline_set(clock="reply", owner="reporter", started_at=NOON, deadline=REPLY_UNTIL)
    MOVE = a_move(clock="reply", owner="reporter", deadline_before=REPLY_UNTIL)
    AGAIN = a_move(
        clock="reply", owner="reporter", deadline_before=LATER, deadline=LATER + timedelta(days=1)
    )

    @pytest.mark.parametrize("order", ORDERS)
    def test_moves_in_any_order_with_the_follow_up_and_the_report(
        self, order: tuple[int, ...]
    ) -> None:
        """The reporter is told both moves once, after the message that they correct."""
        steps = [a_report(), FOLLOW_UP, self.SET, self.MOVE, self.AGAIN]
        case, asked = run(*(steps[n] for n in order))
        dates = [x.deadline for x in asked if x.template != "received"]
        assert dates == [REPLY_UNTIL, LATER, self.AGAIN.deadline]
        assert case.early == ()

    @pytest.mark.parametrize("order", ORDERS)
    def test_that_was_set_to_another_date_than_the_one_told_is_corrected(
        self, order: tuple[int, ...]
    ) -> None:
        """A policy was published that the notifier's files do not have: the monitor is right."""
        other = REPLY_UNTIL + timedelta(days=4)
        set_, moved = (
            self.SET.model_copy(update={"deadline": other}),
            self.MOVE.model_copy(update={"deadline_before": other}),
        )
        steps = [a_report(), FOLLOW_UP, set_, moved, self.AGAIN]
        case, asked = run(*(steps[n] for n in order))
        dates = [x.deadline for x in asked if x.template != "received"]
        assert dates == [REPLY_UNTIL, other, LATER, self.AGAIN.deadline]
        assert "24 Juni" in message_of(asked[-3])["body"]
        assert case.early == ()

    def test_keeps_few_moves_that_nobody_was_told_of(self) -> None:
        """A message that never comes does not make a case grow without end."""
        moves = [self.MOVE.model_copy(update={"deadline": LATER})] * (EARLY_MAX + 3)
        case, asked = run(a_report(), *moves)
        assert len(case.early) == EARLY_MAX
        assert [x.template for x in asked] == ["received"]


class TestABreach:
    """A date that passed, and one that did not after all."""

    def test_withdrawn_is_told_to_its_people(self) -> None:
        """The recipients of the event; where the date moved, the new one is promised."""
        case, asked = run(
            a_breach(1, HEAD, OVERSIGHT), a_withdrawal(HEAD, OVERSIGHT, deadline_now=LATER)
        )
        assert told(asked[2:]) == [("breach_withdrawn", HEAD), ("breach_withdrawn", OVERSIGHT)]
        assert [(p.person, p.deadline) for p in case.announced_dates] == [
            (HEAD, LATER), (OVERSIGHT, LATER),
        ]  # fmt: skip

    @pytest.mark.parametrize("why", ["met_in_time", "never_owed"])
    def test_of_what_is_not_owed_promises_nothing(self, why: str) -> None:
        """There is no date to come."""
        case, asked = run(a_breach(1, HEAD), a_withdrawal(HEAD, why=why))
        assert asked[-1].deadline is None
        assert case.announced_dates == ()

    def test_corrects_each_person_once(self) -> None:
        """Who was warned, and told of the breach, hears of the move by the withdrawal alone."""
        asked = requested(
            a_report(),
            a_warning(HEAD, OVERSIGHT),
            a_breach(1, HEAD),
            a_move(),
            a_withdrawal(deadline_now=LATER),
        )
        assert told(asked[4:]) == [("deadline_moved", OVERSIGHT), ("breach_withdrawn", HEAD)]

    def test_of_an_earlier_warning_is_the_same_message(self) -> None:
        """Level -1 warns as level 0 does."""
        (early,) = requested(a_warning(level=-1))
        assert early.template == "deadline_approaching"


def test_promises_hold_no_contact_of_a_reporter() -> None:
    """The case and the events say `reporter`; roles are named as the ladder names them."""
    personal = {"email": EMAIL, "webhook": HOOK, "phone": "08110001", "name": "Siti Contoh"}
    case, asked = run(a_report(reporter=personal), a_deadline_set(), FOLLOW_UP, a_move())
    texts = [case.model_dump_json(), *(each.model_dump_json() for each in asked)]
    assert not [t for t in texts for secret in personal.values() if secret in t]
