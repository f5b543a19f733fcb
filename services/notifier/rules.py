"""Who is told what, over which channel, and when to try again. Pure: keys and templates arrive.

A message is rendered from the event that it tells of. Its id is derived from (event, person,
channel), so an event tells one person once per channel, however often it is decided.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple, Protocol

from pydantic import BaseModel, ValidationError

from services.notifier import announced_dates
from services.notifier.addresses import Address, of_reporter, of_role
from services.notifier.case import Notifying, Pending, Promise, Told
from services.notifier.content import REPORTER, Fact, Windows, for_reporter, for_roles, recipients
from services.notifier.quiet_hours import QuietHours, earliest
from shared.contract import events as e
from shared.rules.decision import Cause, Decision, decided, then
from shared.rules.deferral import Deferred

TELLING: Final = (
    e.ReportReceived, e.InformationRequested, e.ReportArchived, e.ReportBlocked,
    e.ReportWithdrawn, e.ReportAccepted, e.InitialResponseGiven, e.FollowUpGiven, e.ReportClosed,
    e.CommandRefused, e.DeadlineSet, e.DeadlineMoved, e.DeadlineApproaching, e.DeadlineBreached,
    e.BreachWithdrawn,
)  # fmt: skip


class Key(Protocol):
    """What the rule needs of a report's key (`shared.vault.crypto.ReportKey`)."""

    def seal(self, field: str, text: str, /) -> str: ...  # noqa: D102
    def open(self, field: str, sealed: str, /) -> str: ...  # noqa: D102


class Rendered(NamedTuple):
    """A message without its address: a subject of one line, a body of plain text."""

    subject: str
    body: str


class Render(Protocol):
    """The pure renderer (`rendering.Templates`)."""

    def __call__(
        self, template: str, language: e.Language, zone: str, values: Mapping[str, object], /
    ) -> Rendered:
        """Render a template's message; the times among the values in the zone."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the installation and the registry say; each default is a guess unless it says more."""

    channels: frozenset[e.NotificationChannel] = frozenset({"email", "webhook", "file"})
    webhook_local: bool = False
    """Take webhooks over http too: for one machine and tests."""
    untold: frozenset[str] = frozenset()
    """Templates that nobody is sent, such as `accepted` where reporters find it too much."""
    windows: Callable[[str, datetime], Windows] = lambda _institution, _at: Windows()
    """The windows of an institution (empty: of the national admin) in force at a time."""
    quiet: QuietHours = field(default_factory=QuietHours)
    zone: str = "Asia/Jakarta"  # of the national admin (domain.md section 2)
    zones: Mapping[str, str] = field(default_factory=dict)
    """Institution's code -> its zone; others have `zone`."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Code of an institution or unit -> its name; a code without a name is shown as it is."""
    role_language: e.Language = "id"
    retry_first: timedelta = timedelta(minutes=1)
    retry_factor: int = 4
    retry_longest: timedelta = timedelta(hours=6)
    attempts_max: int = 10  # the waits add up to 30 hours: a mail server's bad night
    pending_max: int = 50
    waiting_max: int = 20


@dataclass(frozen=True, slots=True)
class Known:
    """What the shell gathered for a batch; a report without key is destroyed or never was."""

    keys: Mapping[str, Key]
    render: Render
    policy: Policy = Policy()


@dataclass(frozen=True, slots=True)
class _Letter:
    """A fact on its way to one person over one channel."""

    fact: Fact
    person: str
    address: Address
    language: e.Language
    zone: str
    tracking_number: str | None
    due_at: datetime


def decide(
    case: Notifying | None, event: BaseModel, cause: Cause, known: Known, /
) -> Decision[Notifying]:
    """Tell whom the event concerns, or note what became of a delivery."""
    match event:
        case e.DeliveryReported():
            return _note_delivery(case, event, cause, known.policy)
        case e.ReportReceived():
            return _meet(case, event, cause, known)
        case e.Event():
            return _tell_or_wait(case, event, cause, known)
    return decided(case)


def notification_id(about: str, person: str, channel: str) -> str:
    """Return the one id of (event, person, channel): safe in a file's name and a Message-ID."""
    digest = hashlib.blake2b(f"{about}\0{person}\0{channel}".encode(), digest_size=16)
    return f"n-{digest.hexdigest()}"


def field_of(identity: str) -> str:
    """Name the sealed field of a notification's message."""
    return f"notification:{identity}"


def _meet(
    case: Notifying | None, event: e.ReportReceived, cause: Cause, known: Known
) -> Decision[Notifying]:
    """Learn who the reporter is, tell them, and then what waited for them, in the order it came."""
    if case and case.reporter:
        return decided(case)
    reporter = Told(
        tracking_number=event.tracking_number,
        channel=event.channel,
        language=event.language,
        institution=event.institution,
        identity=event.identity,
    )
    known_case = case or Notifying(report_id=event.report_id)
    waited = known_case.waiting
    met = known_case.model_copy(update={"reporter": reporter, "waiting": ()})
    first = _tell(met, event, cause, known, cause.now)
    return then(first, *(partial(_release, kept=w, now=cause.now, known=known) for w in waited))


def _release(
    case: Notifying | None, /, *, kept: Deferred, now: datetime, known: Known
) -> Decision[Notifying]:
    """Tell what waited: dated when it came, delivered from now on, caused by what it tells."""
    event = kept.restore(TELLING)
    return _tell(case, event, kept.cause(now=kept.came_at), known, now).because_of(kept.cause(now))


def _tell_or_wait(
    case: Notifying | None, event: e.Event, cause: Cause, known: Known
) -> Decision[Notifying]:
    """Tell at once, unless it also concerns a reporter who is not known yet: then all of it waits.

    All, because what one cause says in two batches would get the same event ids twice.
    """
    known_case = case or Notifying(report_id=event.report_id)
    if known_case.reporter or _for_reporter(event, cause, known.policy) is None:
        told = _tell(known_case, event, cause, known, cause.now)
        return decided(case) if told == Decision(known_case) else told
    if len(known_case.waiting) < known.policy.waiting_max:
        waiting = (*known_case.waiting, Deferred.of(event, cause))
        return decided(known_case.model_copy(update={"waiting": waiting}))
    told = _tell(known_case, event, cause, known, cause.now)
    return then(
        told,
        lambda now_case: decided(
            now_case,
            e.NotificationFailed(
                report_id=event.report_id,
                notification_id=notification_id(cause.id, REPORTER, "file"),
                about=cause.id,
                template="",
                person=REPORTER,
                channel="file",
                attempts=0,
                reason="too_many_waiting",
                permanent=True,
            ),
        ),
    )


def _tell(
    case: Notifying | None, event: BaseModel, cause: Cause, known: Known, now: datetime
) -> Decision[Notifying]:
    """Tell everyone whom the fact of `cause.now` concerns, delivered from `now` on."""
    if case is None:
        return decided(case)
    if announced_dates.is_early(case, event):
        return decided(announced_dates.keep_early(case, event, cause))
    event = announced_dates.corrected(case, event)
    letters = (
        *_letters_to_reporter(case, event, cause, known, now),
        *_letters_to_roles(case, event, known.policy, now),
    )
    return then(
        Decision(case),
        *(partial(_request, letter=each, cause=cause, known=known) for each in letters),
        partial(_after, event=event, known=known, now=now),
    )


def _after(
    case: Notifying | None, /, *, event: BaseModel, known: Known, now: datetime
) -> Decision[Notifying]:
    """Tell what overtook a message and corrects it; forget what was promised and is broken."""
    if case is None:
        return decided(case)
    match event:
        case e.FollowUpGiven() if case.early:
            heard = case.model_copy(update={"early": ()})
            again = (partial(_release, kept=kept, now=now, known=known) for kept in case.early)
            return then(decided(heard), *again)
        case e.DeadlineBreached():
            return decided(announced_dates.told_too_late(case, event, recipients(event)))
    return decided(case)


def _letters_to_reporter(
    case: Notifying, event: BaseModel, cause: Cause, known: Known, now: datetime
) -> Iterable[_Letter]:
    policy, reporter = known.policy, case.reporter
    fact = _for_reporter(event, cause, policy)
    if fact is None or reporter is None or fact.template in policy.untold:
        return
    if isinstance(event, e.DeadlineMoved) and REPORTER not in _told_before(case, event):
        return
    zone = _zone(_institution(event) or reporter.institution or "", policy)
    due_at = earliest(now, policy.quiet, zone)
    identity = _identity(reporter, known.keys.get(case.report_id))
    for address in of_reporter(identity, policy.channels, webhook_local=policy.webhook_local):
        yield _Letter(
            fact, REPORTER, address, reporter.language, zone, reporter.tracking_number, due_at
        )


def _letters_to_roles(
    case: Notifying, event: BaseModel, policy: Policy, now: datetime
) -> Iterable[_Letter]:
    fact = for_roles(event)
    if fact is None or fact.template in policy.untold:
        return
    people = _told_before(case, event) if isinstance(event, e.DeadlineMoved) else recipients(event)
    zone = _zone(_institution(event), policy)
    for person in people:
        if person != REPORTER:
            address = of_role(person, policy.channels)
            yield _Letter(fact, person, address, policy.role_language, zone, None, now)


def _told_before(case: Notifying, event: e.DeadlineMoved) -> tuple[str, ...]:
    return announced_dates.told_of(case, announced_dates.before(event))


def _for_reporter(event: BaseModel, cause: Cause, policy: Policy) -> Fact | None:
    institution = _institution(event)
    windows, zone = policy.windows(institution, cause.now), _zone(institution, policy)
    return for_reporter(event, cause.now, windows, zone)


def _institution(event: BaseModel) -> str:
    return getattr(event, "institution", None) or ""


def _zone(institution: str, policy: Policy) -> str:
    return policy.zones.get(institution, policy.zone)


def _identity(reporter: Told, key: Key | None) -> e.Reporter:
    """Open who the reporter is; nobody's name where there is none, or it cannot be opened."""
    opened = _opened(key, "identity", reporter.identity)
    try:
        return e.Reporter.model_validate_json(opened) if opened else e.Reporter()
    except ValidationError:
        return e.Reporter()


def _request(
    case: Notifying | None, /, *, letter: _Letter, cause: Cause, known: Known
) -> Decision[Notifying]:
    """Seal the rendered message and keep it for delivery; say so, or say why there is none."""
    if case is None:
        return decided(case)
    key = known.keys.get(case.report_id)
    identity = notification_id(cause.id, letter.person, letter.address.channel)
    about = {
        "report_id": case.report_id,
        "notification_id": identity,
        "about": cause.id,
        "template": letter.fact.template,
        "person": letter.person,
        "channel": letter.address.channel,
    }
    if key is None or len(case.pending) >= known.policy.pending_max:
        reason = "no_key" if key is None else "too_many_pending"
        return decided(
            case, e.NotificationFailed(**about, attempts=0, reason=reason, permanent=True)
        )
    message = key.seal(field_of(identity), _message(case, letter, cause, key, known))
    pending = Pending(**about, zone=letter.zone, message=message, due_at=letter.due_at)
    case = case.model_copy(update={"pending": (*case.pending, pending)})
    date = letter.fact.promise._asdict() if letter.fact.promise else {}
    if date:
        case = announced_dates.promised(case, Promise(**about, **date, told_at=cause.now))
    requested = {**about, **date, "language": letter.language, "message": message}
    return decided(case, e.NotificationRequested(**requested))


def _message(case: Notifying, letter: _Letter, cause: Cause, key: Key, known: Known) -> str:
    names = known.policy.names
    values: dict[str, object] = {
        "report_id": case.report_id,
        "tracking_number": letter.tracking_number,
        **letter.fact.values,
        **{name: _opened(key, name, sealed) for name, sealed in letter.fact.sealed.items()},
    }
    for holder in ("institution", "unit", "owner"):
        code = values.get(holder)
        values[holder] = names.get(str(code), code)
    rendered = known.render(letter.fact.template, letter.language, letter.zone, values)
    message: dict[str, object] = {
        "to": letter.address.to, "subject": rendered.subject, "body": rendered.body,
    }  # fmt: skip
    if letter.address.channel == "webhook":
        message["notice"] = _notice(case, letter, cause)
    return json.dumps(message, ensure_ascii=False)


def _notice(case: Notifying, letter: _Letter, cause: Cause) -> dict[str, str]:
    """Return what a webhook's receiver may read by program; `time` is that of the fact."""
    told = {
        "channel": case.reporter.channel if case.reporter else "",
        "tracking_number": letter.tracking_number or "",
        "template": letter.fact.template,
        "language": letter.language,
        "time": cause.now.isoformat(),
    }
    if letter.fact.promise:
        told |= {
            "clock": letter.fact.promise.clock,
            "institution": letter.fact.promise.institution,
            "deadline": letter.fact.promise.deadline.isoformat(),
        }
    return told


def _opened(key: Key | None, field: str, sealed: str | None) -> str | None:
    try:
        return key.open(field, sealed) if key and sealed else None
    except ValueError:  # sealed with another key: the message says that the text is missing
        return None


def _note_delivery(
    case: Notifying | None, event: e.DeliveryReported, cause: Cause, policy: Policy
) -> Decision[Notifying]:
    """End a pending message, or have it tried again later; one that has ended stays so."""
    pending = {p.notification_id: p for p in case.pending} if case else {}
    tried = pending.pop(event.notification_id, None)
    if case is None or tried is None:
        return decided(case)
    attempts = tried.attempts + 1
    if event.outcome == "temporary" and attempts < policy.attempts_max:
        due_at = cause.now + _wait(attempts, policy)
        if tried.person == REPORTER:
            due_at = earliest(due_at, policy.quiet, tried.zone)
        again = tried.model_copy(update={"attempts": attempts, "due_at": due_at})
        return decided(case.model_copy(update={"pending": (*pending.values(), again)}))
    about = tried.model_dump(include=set(e.Notification.model_fields) - {"report_id"})
    ended: e.Notification = (
        e.NotificationSent(report_id=case.report_id, **about, attempts=attempts)
        if event.outcome == "sent"
        else e.NotificationFailed(
            report_id=case.report_id,
            **about,
            attempts=attempts,
            reason=event.reason or "unknown",
            permanent=event.outcome == "permanent",
        )
    )
    return decided(case.model_copy(update={"pending": tuple(pending.values())}), ended)


def _wait(attempts: int, policy: Policy) -> timedelta:
    """Return the pause after the `attempts`-th failure: grows by the factor, up to the longest."""
    waits = policy.retry_first
    for _ in range(1, attempts):
        waits = min(waits * policy.retry_factor, policy.retry_longest)
    return min(waits, policy.retry_longest)
