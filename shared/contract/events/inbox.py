"""Institutions' inboxes: `lapor.agency.<code>.inbox.v1`."""

from typing import Literal

from shared.contract.events.fields import (
    CategoryId,
    ChannelName,
    Clock,
    Event,
    InstitutionCode,
    Part,
    PlaceCode,
    ReportClass,
    ReportId,
    UnitCode,
    Utc,
)


class ReportView(Part):
    """What an institution may see of a report: an allow-list, words in the clear."""

    tracking_number: str
    channel: ChannelName
    submitted_at: Utc
    claimed_submitted_at: Utc | None = None
    backdating_reason: str | None = None
    title: str | None = None
    body: str | None = None
    place: str | None = None
    place_code: PlaceCode | None = None
    reporter: str | None = None
    contact: str | None = None
    anonymous: bool = False
    confidential: bool = False
    report_class: ReportClass | None = None
    category_id: CategoryId | None = None


class InboxEntry(Event):
    """One line of an institution's inbox; `entry` names the fact that it is about.

    `reason` is a code and nothing else. Fields that a fact does not have are absent.
    """

    institution: InstitutionCode
    entry: str
    holding: int = 0
    unit: UnitCode | None = None
    report: ReportView | None = None
    text: str | None = None
    reason: str | None = None
    message_id: str | None = None
    clock: Clock | None = None
    run: str | None = None
    deadline: Utc | None = None
    level: int | None = None
    final: bool | None = None
    forwarded_to: InstitutionCode | None = None
    proposed_owner: InstitutionCode | None = None
    proposed_unit: UnitCode | None = None
    similar: tuple[ReportId, ...] | None = None
    closed_by: Literal["system", "admin", "reporter"] | None = None
    rating: int | None = None
    solved: bool | None = None
