"""The tables of the two developers' pages, as Markdown, from the code that decides. Pure."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel

from deploy.cli.views.inbox import EFFECT_OF, NEXT, REFUSALS
from services.agencies.inbound import TEXT_MAX, WORDS
from shared.contract import events as e
from shared.contract.reasons import REASONS
from shared.contract.topics import ANSWERED_BY, COMMANDS, OUTBOX, REPORTER_MESSAGES, SUBMISSIONS

_STAMPED: Final = ("institution", "message_id")
_BOTH: Final = (
    "empty_value", "not_json", "invalid_fields", "missing_header", "unknown_type",
    "missing_message_id", "message_id_invalid", "control_characters", "blank_text",
    "too_large", "record_unreadable", "batch_unreadable", "batch_too_large",
    "too_many_messages", "unknown_institution", "unknown_category", "unknown_place", "erased",
)  # fmt: skip
CHANNEL_REASONS: Final = (
    *_BOTH, "unknown_channel", "try_another_message_id", "submitted_in_the_future",
    "submitted_too_long_ago", "incident_on_invalid", "incident_in_the_future",
    "unknown_tracking_number", "not_proved",
)  # fmt: skip
"""What intake may reject or refuse with."""
TO_REPORTERS: Final = ("not_closed", "window_over")
"""What follow-up may refuse a wish to reopen with: the person is notified, not the channel."""
INBOX_REASONS: Final = ("nothing_fits", "returned_twice", "unit_unknown", "seal_broken")
"""Why an inbox entry came, or lacks its words."""
AGENCY_REASONS: Final = tuple(
    code
    for code in REASONS
    if code in _BOTH or code not in (*CHANNEL_REASONS, *TO_REPORTERS, *INBOX_REASONS)
)
"""What a command may be rejected or refused with."""

_ABOUT: Final[Mapping[str, str]] = {
    "title": "what it is about",
    "body": "what happened, where, since when",
    "reporter": "who writes; sealed behind the gateway",
    "report_class": "its class, if the reporter chose one",
    "category_id": "its category",
    "institution": "whom the reporter addresses; checked against the text",
    "place_code": "where it happened",
    "place": "where it happened, in words",
    "incident_on": "the day it happened, not in the future",
    "attachments": "links to files that the channel keeps",
    "anonymous": "*anonim*: the institution does not learn who wrote",
    "confidential": "*rahasia*: the public does not see the content",
    "submitted_at": "when it was handed in, if not now; at most 366 days ago. What counts: below",
    "backdating_reason": "why it comes so late, from a channel that may date back",
    "tracking_number": "the report's number, in any spelling",
    "secret": "the report's secret; not needed from the account, phone or address that reported",
    "text": "what the person writes",
    "rating": "1 (bad) to 5 (good)",
    "solved": "whether it was solved",
    "name": "as the person gave it",
    "phone": "where notifications may go; proves who writes later",
    "email": "the same",
    "sender_id": "the account in your channel; proves who writes later, within it",
    "webhook": "URL that is notified of every step",
    "language": "of the person's notifications",
}


def submission_types() -> str:
    """Return the messages of a channel and their types."""
    rows = [
        (f"`{m.__name__}`", f"`{SUBMISSIONS.type_of(m)}`", _said(m))
        for m in (e.SubmitReport, *REPORTER_MESSAGES)
    ]
    return _table(("Message", "`ce_type`", "Says"), rows)


def submission_fields() -> str:
    """Return the fields of a report."""
    return _fields(e.SubmitReport)


def reporter_fields() -> str:
    """Return the fields of who writes."""
    return _fields(e.Reporter)


def message_fields() -> str:
    """Return the fields of a reporter's messages, and which message has them."""
    schemas = {m.__name__: _properties(m) for m in REPORTER_MESSAGES}
    names = dict.fromkeys(name for schema in schemas.values() for name in schema)
    rows = []
    for name in names:
        having = [m for m, schema in schemas.items() if name in schema]
        needed = [m.__name__ for m in REPORTER_MESSAGES if _is_required(m, name)]
        who = "all" if len(having) == len(schemas) else ", ".join(having)
        must = "in all" if len(needed) == len(schemas) else ", ".join(needed) or "no"
        rows.append((f"`{name}`", _form(schemas[having[0]][name]), who, must, _ABOUT[name]))
    return _table(("Field", "Form", "Of", "Required", "Meaning"), rows)


def channel_reasons() -> str:
    """Return the reasons that a channel may get."""
    return _reasons(CHANNEL_REASONS)


def command_table() -> str:
    """Return the commands: type, fields, by whom, answered by which stage, with which entry."""
    rows = []
    for command in COMMANDS:
        own = [n for n in command.model_fields if n not in (*e.Command.model_fields, *_STAMPED)]
        fields = ", ".join(f"`{n}`" + ("" if _is_required(command, n) else "?") for n in own)
        rows.append(
            (
                f"`{command.__name__}`", f"`{OUTBOX.type_of(command)}`", fields, _giver(command),
                f"`{EFFECT_OF[command]}`", ANSWERED_BY[command],
            )
        )  # fmt: skip
    heads = ("Command", "`ce_type`", "Own fields (? may be left out)", "Of", "Effect", "Decided by")
    return _table(heads, rows)


def command_fields() -> str:
    """Return the form of every field that a command may have."""
    forms: dict[str, str] = {}
    for command in COMMANDS:
        for name, schema in _properties(command).items():
            if name not in _STAMPED:
                is_words = WORDS.get(command) == name
                form = f"text, 1 to {TEXT_MAX:,} characters" if is_words else _form(schema)
                other = forms.setdefault(name, form)
                if form not in other:
                    forms[name] = f"{other}; in {command.__name__}: {form}"
    return _table(("Field", "Form"), [(f"`{name}`", form) for name, form in forms.items()])


def entries() -> str:
    """Return the inbox entries: which ask for something, and what may answer."""
    rows = [
        (f"`{entry}`", _names(answers.institution), _names(answers.national))
        for entry, answers in NEXT.items()
    ]
    asking = _table(("Entry", "An institution may answer", "`00` may answer"), rows)
    names = dict.fromkeys((*EFFECT_OF.values(), *_OTHER_ENTRIES, *sorted(REFUSALS)))
    others = ", ".join(f"`{entry}`" for entry in names if entry not in NEXT)
    return f"{asking}\n\nThe others ask for nothing: {others}."


_OTHER_ENTRIES: Final = (
    "unit_returned", "reporter_closed", "withdrawn", "deadline_set", "deadline_moved",
    "deadline_approaching", "deadline_breached", "breach_withdrawn",
)  # fmt: skip


def agency_reasons() -> str:
    """Return the reasons that an institution may get."""
    return _reasons(AGENCY_REASONS)


PAGES: Final = {
    "submission-types": submission_types,
    "submission-fields": submission_fields,
    "reporter-fields": reporter_fields,
    "message-fields": message_fields,
    "channel-reasons": channel_reasons,
    "command-table": command_table,
    "command-fields": command_fields,
    "inbox-entries": entries,
    "agency-reasons": agency_reasons,
}
"""Every table by its name in a page."""


def _names(commands: Iterable[type[BaseModel]]) -> str:
    return ", ".join(f"`{command.__name__}`" for command in commands)


def _giver(command: type[e.Command]) -> str:
    if command in (e.Forward, e.Block):
        return "`00`"
    return "any" if command in (e.AskForInformation, e.Archive) else "an institution"


def _said(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").splitlines()[0].partition(";")[0].rstrip(".")


def _reasons(codes: Sequence[str]) -> str:
    return _table(("Reason", "What to do"), [(f"`{code}`", REASONS[code].en) for code in codes])


def _fields(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", _form(schema), "yes" if _is_required(model, name) else "no", _ABOUT[name])
        for name, schema in _properties(model).items()
    ]
    return _table(("Field", "Form", "Required", "Meaning"), rows)


def _is_required(model: type[BaseModel], name: str) -> bool:
    return name in model.model_fields and model.model_fields[name].is_required()


def _properties(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of each field, references resolved."""
    schema = model.model_json_schema()
    parts = schema.get("$defs", {})
    return {name: _resolved(field, parts) for name, field in schema["properties"].items()}


def _resolved(field: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    choices = [choice for choice in field.get("anyOf", ()) if choice.get("type") != "null"]
    schema = choices[0] if choices else field
    part = schema.get("$ref", "").rpartition("/")[2]
    return parts[part] if part else schema


def _pattern(annotated: Any) -> str:
    return str(get_args(annotated)[1].metadata[0].pattern)


_PATTERNS: Final = {
    _pattern(e.ReportId): "report id: 12 characters, `0-9 A-Z` without I, L, O, U",
    _pattern(e.InstitutionCode): "institution's code, 2 to 10 digits",
    _pattern(e.UnitCode): "unit's code, such as `6308-001`",
    _pattern(e.CategoryId): "category id, 1 to 6 digits",
    _pattern(e.PlaceCode): "Kemendagri code, such as `63.08.07`",
    str(e.SubmitReport.model_fields["incident_on"].metadata[0].pattern): "date, `2025-03-03`",
}


def _form(schema: Mapping[str, Any]) -> str:
    """Say a field's form and limits."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "pattern" in schema:
        return _PATTERNS[schema["pattern"]]
    match schema.get("type"), schema.get("format"):
        case "string", "date-time":
            return "time with its offset, `2025-03-03T12:00:00+08:00`"
        case "string", _:
            low = schema.get("minLength", 0)
            return f"text, {f'{low} to' if low else 'up to'} {schema['maxLength']:,} characters"
        case "boolean", _:
            return "`true` or `false`"
        case "integer", _:
            return f"whole number, {schema['minimum']} to {schema['maximum']:,}"
        case "array", _:
            each = _form(schema["items"])
            return f"list of up to {schema['maxItems']}, each {each}"
    return "object, see below"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
