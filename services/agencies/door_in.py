"""Is this command well formed and its sender's to give? Pure: keys and registry are arguments.

Whether it fits the report as it stands is for the stage that answers it; here it is checked,
stamped with who sent it, and sealed word by word under the name of the field the words stand in.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict

from shared import events as e
from shared import texts, tracking
from shared.decision import Cause, Decision, Unreadable, decided
from shared.reasons import Fault, advice
from shared.registry import NATIONAL
from shared.topics import COMMANDS, OUTBOX
from shared.vault import ReportKey

TEXT_MAX: Final = 10_000  # characters: 40,000 bytes at most, which sealed still fit a `Sealed`
REJECTED_MAX: Final = 20  # rejected ids a case keeps, so that a repeat of one is looked at afresh

_INSTITUTION: Final = re.compile(r"[0-9]{2,10}")
_ONLY_NATIONAL: Final = (e.Forward, e.Block)
_NEVER_NATIONAL: Final = (
    e.Accept, e.ReturnReport, e.Reclassify, e.Dispatch, e.UnitCommand, e.CloseCase,
)  # fmt: skip
_TYPES: Final = {OUTBOX.type_of(command): command.__name__ for command in COMMANDS}

WORDS: Final[Mapping[type[BaseModel], str]] = {
    e.Forward: "note",
    e.Block: "reason",
    e.AskForInformation: "question",
    e.Archive: "note",
    e.Accept: "note",
    e.ReturnReport: "reason",
    e.Reclassify: "why",
    e.InitialResponse: "text",
    e.FollowUp: "text",
    e.ReturnToInstitution: "reason",
    e.CloseCase: "note",
}
"""The one field of each command that holds somebody's words; `Dispatch` has none."""


class Door(BaseModel):
    """What the door in remembers of a report: the commands it turned away."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What the shell looked up for a batch: keys of the reports named, and the registry's codes."""

    keys: Mapping[str, ReportKey] = field(default_factory=dict)
    erased: Container[str] = field(default_factory=frozenset)
    institutions: Container[str] = field(default_factory=frozenset)
    units: Container[str] = field(default_factory=frozenset)
    categories: Container[str] = field(default_factory=frozenset)
    places: Container[str] = field(default_factory=frozenset)


def identify(event: BaseModel, cause: Cause) -> str:
    """Return the report that a command names; an id of its own for what cannot be read."""
    if isinstance(event, e.Command):
        return event.report_id
    return tracking.record_id(cause.first_id)


def decide(case: Door | None, event: BaseModel, cause: Cause, known: Known) -> Decision[Door]:
    """Pass a command on, stamped and sealed, or reject it; one answer to each record."""
    door = case or Door()
    match event:
        case Unreadable():
            return _reject(door, event, cause, Fault(event.reason, event.detail))
        case e.Command():
            fault = (
                _fault_of_count(cause)
                or _fault_of_sender(event, cause, known)
                or _fault_of_text(event)
                or _fault_of_codes(event, cause, known)
                or _fault_of_report(event, known)
            )
            if fault is None and cause.is_repeat and cause.first_id not in door.rejected:
                fault = Fault("repeated")
            if fault is not None:
                return _reject(door, event, cause, fault)
            return decided(_taken(door, cause), _stamped(event, cause, known))
    return decided(case)


def _stamped(command: e.Command, cause: Cause, known: Known) -> e.Command:
    """Say again what was said: by whom it was said, and with its words sealed."""
    changed: dict[str, object] = {"institution": cause.speaker, "message_id": cause.message_id}
    field_name = WORDS.get(type(command))
    words = getattr(command, field_name) if field_name else None
    if field_name and words:
        sealed = known.keys[command.report_id].seal(field_name, texts.unix_lines(words))
        changed[field_name] = sealed
    return command.model_copy(update=changed)


def _fault_of_count(cause: Cause) -> Fault | None:
    return Fault("too_many_messages") if cause.is_full else None


def _fault_of_sender(command: e.Command, cause: Cause, known: Known) -> Fault | None:
    if cause.speaker not in known.institutions:
        return Fault("unknown_sender")
    bad_id = texts.message_id_fault(cause.message_id)
    if bad_id is not None:
        return Fault(bad_id)
    is_national = cause.speaker == NATIONAL
    if isinstance(command, _NEVER_NATIONAL if is_national else _ONLY_NATIONAL):
        return Fault("not_yours_to_give")
    return None


def _fault_of_text(command: e.Command) -> Fault | None:
    control = texts.control_fields(command)
    if control is not None:
        return Fault("control_characters", control)
    field_name = WORDS.get(type(command))
    words = getattr(command, field_name) if field_name else None
    blank = texts.blank_fields({"by": command.by, field_name or "": words})
    if blank is not None:
        return Fault("blank_text", blank)
    if words is not None and len(words) > TEXT_MAX:
        return Fault("text_too_long", field_name)
    return None


def _fault_of_codes(command: e.Command, cause: Cause, known: Known) -> Fault | None:
    match command:
        case e.Forward():
            if command.to == NATIONAL:
                return Fault("forward_to_itself", "to")
            return _unknown_institution("to", command.to, known)
        case e.ReturnReport():
            return _unknown_institution("proposed_owner", command.proposed_owner, known)
        case e.Archive() if command.duplicate_of == command.report_id:
            return Fault("duplicate_of_itself", "duplicate_of")
        case e.Accept():
            if command.place_code is not None and command.place_code not in known.places:
                return Fault("unknown_place", "place_code")
            return _unknown_category(command.category_id, known)
        case e.Reclassify():
            return _unknown_category(command.category_id, known)
        case e.ReturnToInstitution():
            return _fault_of_unit("unit", command.unit, cause, known) or _fault_of_unit(
                "proposed_unit", command.proposed_unit, cause, known
            )
        case e.Dispatch() | e.UnitCommand():
            return _fault_of_unit("unit", command.unit, cause, known)
    return None


def _unknown_institution(name: str, code: str | None, known: Known) -> Fault | None:
    if code is not None and code not in known.institutions:
        return Fault("unknown_institution", name)
    return None


def _unknown_category(category_id: str | None, known: Known) -> Fault | None:
    if category_id is not None and category_id not in known.categories:
        return Fault("unknown_category", "category_id")
    return None


def _fault_of_unit(name: str, unit: str | None, cause: Cause, known: Known) -> Fault | None:
    if unit is None:
        return None
    if unit not in known.units:
        return Fault("unknown_unit", name)
    if not unit.startswith(f"{cause.speaker}-"):
        return Fault("not_your_unit", name)
    return None


def _fault_of_report(command: e.Command, known: Known) -> Fault | None:
    if command.report_id in known.keys:
        return None
    return Fault("erased" if command.report_id in known.erased else "unknown_report", "report_id")


def _reject(door: Door, event: BaseModel, cause: Cause, fault: Fault) -> Decision[Door]:
    """Say why not, to the sender; to the national admin where no institution has such a code."""
    is_code = _INSTITUTION.fullmatch(cause.speaker) is not None
    said = e.CommandRejected(
        report_id=identify(event, cause),
        institution=cause.speaker if is_code else NATIONAL,
        message_id=cause.message_id[: texts.MESSAGE_ID_MAX],
        command=_TYPES.get(cause.type),
        reason=fault.reason,
        detail=f"{advice(fault.reason, 'id', fault.fields)}{_place(cause)}",
    )
    mine = cause.first_id
    if fault.reason == "repeated":
        return decided(door, said)
    others = tuple(rejected for rejected in door.rejected if rejected != mine)
    return decided(Door(rejected=(*others, mine)[-REJECTED_MAX:]), said)


def _place(cause: Cause) -> str:
    """Name the record's place where its id cannot name it."""
    if texts.message_id_fault(cause.message_id) is None:
        return ""
    return f" ({cause.topic}/{cause.partition}/{cause.offset})"


def _taken(door: Door, cause: Cause) -> Door:
    mine = cause.first_id
    return Door(rejected=tuple(rejected for rejected in door.rejected if rejected != mine))
