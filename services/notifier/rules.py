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
from services.notifier.case import AnnouncedDate, NotificationCase, Pending, ReporterContact
from services.notifier.content import (
    REPORTER,
    Content,
    Windows,
    for_reporter,
    for_roles,
    recipients,
)
from services.notifier.quiet_hours import QuietHours, earliest
from shared.contract import events as e
from shared.rules.decision import Cause, Decision, decided, then
from shared.rules.deferral import Deferred

NOTIFIED_EVENTS: Final = (
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
    suppressed: frozenset[str] = frozenset()
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
class Lookups:
    """What the shell gathered for a batch; a report without key is destroyed or never was."""

    keys: Mapping[str, Key]
    render: Render
    policy: Policy = Policy()


@dataclass(frozen=True, slots=True)
class _Draft:
    """A fact on its way to one person over one channel."""

    content: Content
    person: str
    address: Address
    language: e.Language
    zone: str
    tracking_number: str | None
    due_at: datetime


def decide(
    case: NotificationCase | None, event: BaseModel, cause: Cause, lookups: Lookups, /
) -> Decision[NotificationCase]:
    """Tell whom the event concerns, or note what became of a delivery."""
    match event:
        case e.DeliveryReported():
            return _note_delivery(case, event, cause, lookups.policy)
        case e.ReportReceived():
            return _receive_report(case, event, cause, lookups)
        case e.Event():
            return _notify_or_defer(case, event, cause, lookups)
    return decided(case)


def notification_id(about: str, person: str, channel: str) -> str:
    """Return the one id of (event, person, channel): safe in a file's name and a Message-ID."""
    digest = hashlib.blake2b(f"{about}\0{person}\0{channel}".encode(), digest_size=16)
    return f"n-{digest.hexdigest()}"


def field_of(identity: str) -> str:
    """Name the sealed field of a notification's message."""
    return f"notification:{identity}"


def _receive_report(
    case: NotificationCase | None, event: e.ReportReceived, cause: Cause, lookups: Lookups
) -> Decision[NotificationCase]:
    """Learn who the reporter is, tell them, and then what waited for them, in the order it came."""
    if case and case.reporter:
        return decided(case)
    reporter = ReporterContact(
        tracking_number=event.tracking_number,
        channel=event.channel,
        language=event.language,
        institution=event.institution,
        identity=event.identity,
    )
    case = case or NotificationCase(report_id=event.report_id)
    waited = case.waiting
    met = case.model_copy(update={"reporter": reporter, "waiting": ()})
    first = _notify(met, event, cause, lookups, cause.now)
    return then(first, *(partial(_release, kept=w, now=cause.now, lookups=lookups) for w in waited))


def _release(
    case: NotificationCase | None, /, *, kept: Deferred, now: datetime, lookups: Lookups
) -> Decision[NotificationCase]:
    """Tell what waited: dated when it came, delivered from now on, caused by what it tells."""
    event = kept.restore(NOTIFIED_EVENTS)
    return _notify(case, event, kept.cause(now=kept.came_at), lookups, now).because_of(
        kept.cause(now)
    )


def _notify_or_defer(
    case: NotificationCase | None, event: e.Event, cause: Cause, lookups: Lookups
) -> Decision[NotificationCase]:
    """Tell at once, unless it also concerns a reporter who is not known yet: then all of it waits.

    All, because what one cause says in two batches would get the same event ids twice.
    """
    current = case or NotificationCase(report_id=event.report_id)
    if current.reporter or _for_reporter(event, cause, lookups.policy) is None:
        decision = _notify(current, event, cause, lookups, cause.now)
        return decided(case) if decision == Decision(current) else decision
    if len(current.waiting) < lookups.policy.waiting_max:
        waiting = (*current.waiting, Deferred.of(event, cause))
        return decided(current.model_copy(update={"waiting": waiting}))
    decision = _notify(current, event, cause, lookups, cause.now)
    return then(
        decision,
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


def _notify(
    case: NotificationCase | None, event: BaseModel, cause: Cause, lookups: Lookups, now: datetime
) -> Decision[NotificationCase]:
    """Tell everyone whom the fact of `cause.now` concerns, delivered from `now` on."""
    if case is None:
        return decided(case)
    if announced_dates.is_early(case, event):
        return decided(announced_dates.keep_early(case, event, cause))
    event = announced_dates.corrected(case, event)
    drafts = (
        *_drafts_for_reporter(case, event, cause, lookups, now),
        *_drafts_for_roles(case, event, lookups.policy, now),
    )
    return then(
        Decision(case),
        *(partial(_request, draft=each, cause=cause, lookups=lookups) for each in drafts),
        partial(_after, event=event, lookups=lookups, now=now),
    )


def _after(
    case: NotificationCase | None, /, *, event: BaseModel, lookups: Lookups, now: datetime
) -> Decision[NotificationCase]:
    """Tell what overtook a message and corrects it; forget what was promised and is broken."""
    if case is None:
        return decided(case)
    match event:
        case e.FollowUpGiven() if case.early:
            heard = case.model_copy(update={"early": ()})
            again = (partial(_release, kept=kept, now=now, lookups=lookups) for kept in case.early)
            return then(decided(heard), *again)
        case e.DeadlineBreached():
            return decided(announced_dates.forget_breached(case, event, recipients(event)))
    return decided(case)


def _drafts_for_reporter(
    case: NotificationCase, event: BaseModel, cause: Cause, lookups: Lookups, now: datetime
) -> Iterable[_Draft]:
    policy, reporter = lookups.policy, case.reporter
    content = _for_reporter(event, cause, policy)
    if content is None or reporter is None or content.template in policy.suppressed:
        return
    if isinstance(event, e.DeadlineMoved) and REPORTER not in _notified_before(case, event):
        return
    zone = _zone(_institution(event) or reporter.institution or "", policy)
    due_at = earliest(now, policy.quiet, zone)
    identity = _identity(reporter, lookups.keys.get(case.report_id))
    for address in of_reporter(identity, policy.channels, webhook_local=policy.webhook_local):
        yield _Draft(
            content, REPORTER, address, reporter.language, zone, reporter.tracking_number, due_at
        )


def _drafts_for_roles(
    case: NotificationCase, event: BaseModel, policy: Policy, now: datetime
) -> Iterable[_Draft]:
    content = for_roles(event)
    if content is None or content.template in policy.suppressed:
        return
    people = (
        _notified_before(case, event) if isinstance(event, e.DeadlineMoved) else recipients(event)
    )
    zone = _zone(_institution(event), policy)
    for person in people:
        if person != REPORTER:
            address = of_role(person, policy.channels)
            yield _Draft(content, person, address, policy.role_language, zone, None, now)


def _notified_before(case: NotificationCase, event: e.DeadlineMoved) -> tuple[str, ...]:
    return announced_dates.notified_of(case, announced_dates.date_before(event))


def _for_reporter(event: BaseModel, cause: Cause, policy: Policy) -> Content | None:
    institution = _institution(event)
    windows, zone = policy.windows(institution, cause.now), _zone(institution, policy)
    return for_reporter(event, cause.now, windows, zone)


def _institution(event: BaseModel) -> str:
    return getattr(event, "institution", None) or ""


def _zone(institution: str, policy: Policy) -> str:
    return policy.zones.get(institution, policy.zone)


def _identity(reporter: ReporterContact, key: Key | None) -> e.Reporter:
    """Open who the reporter is; nobody's name where there is none, or it cannot be opened."""
    opened = _opened(key, "identity", reporter.identity)
    try:
        return e.Reporter.model_validate_json(opened) if opened else e.Reporter()
    except ValidationError:
        return e.Reporter()


def _request(
    case: NotificationCase | None, /, *, draft: _Draft, cause: Cause, lookups: Lookups
) -> Decision[NotificationCase]:
    """Seal the rendered message and keep it for delivery; say so, or say why there is none."""
    if case is None:
        return decided(case)
    key = lookups.keys.get(case.report_id)
    identity = notification_id(cause.id, draft.person, draft.address.channel)
    about = {
        "report_id": case.report_id,
        "notification_id": identity,
        "about": cause.id,
        "template": draft.content.template,
        "person": draft.person,
        "channel": draft.address.channel,
    }
    if key is None or len(case.pending) >= lookups.policy.pending_max:
        reason = "no_key" if key is None else "too_many_pending"
        return decided(
            case, e.NotificationFailed(**about, attempts=0, reason=reason, permanent=True)
        )
    message = key.seal(field_of(identity), _message(case, draft, cause, key, lookups))
    pending = Pending(**about, zone=draft.zone, message=message, due_at=draft.due_at)
    case = case.model_copy(update={"pending": (*case.pending, pending)})
    date = draft.content.date._asdict() if draft.content.date else {}
    if date:
        case = announced_dates.record(case, AnnouncedDate(**about, **date, announced_at=cause.now))
    requested = {**about, **date, "language": draft.language, "message": message}
    return decided(case, e.NotificationRequested(**requested))


def _message(
    case: NotificationCase, draft: _Draft, cause: Cause, key: Key, lookups: Lookups
) -> str:
    names = lookups.policy.names
    values: dict[str, object] = {
        "report_id": case.report_id,
        "tracking_number": draft.tracking_number,
        **draft.content.values,
        **{name: _opened(key, name, sealed) for name, sealed in draft.content.sealed.items()},
    }
    for holder in ("institution", "unit", "owner"):
        code = values.get(holder)
        values[holder] = names.get(str(code), code)
    rendered = lookups.render(draft.content.template, draft.language, draft.zone, values)
    message: dict[str, object] = {
        "to": draft.address.to, "subject": rendered.subject, "body": rendered.body,
    }  # fmt: skip
    if draft.address.channel == "webhook":
        message["notice"] = _notice(case, draft, cause)
    return json.dumps(message, ensure_ascii=False)


def _notice(case: NotificationCase, draft: _Draft, cause: Cause) -> dict[str, str]:
    """Return what a webhook's receiver may read by program; `time` is that of the fact."""
    notice = {
        "channel": case.reporter.channel if case.reporter else "",
        "tracking_number": draft.tracking_number or "",
        "template": draft.content.template,
        "language": draft.language,
        "time": cause.now.isoformat(),
    }
    if draft.content.date:
        notice |= {
            "clock": draft.content.date.clock,
            "institution": draft.content.date.institution,
            "deadline": draft.content.date.deadline.isoformat(),
        }
    return notice


def _opened(key: Key | None, field: str, sealed: str | None) -> str | None:
    try:
        return key.open(field, sealed) if key and sealed else None
    except ValueError:  # sealed with another key: the message says that the text is missing
        return None


def _note_delivery(
    case: NotificationCase | None, event: e.DeliveryReported, cause: Cause, policy: Policy
) -> Decision[NotificationCase]:
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
