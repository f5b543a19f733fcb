"""A city's file of requests, one a row: opened, target, closed, and whether the city was late."""

import csv
import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TextIO
from zoneinfo import ZoneInfo

Verdict = Literal["ONTIME", "OVERDUE", ""]

COLUMNS: Final = MappingProxyType({
    "case": ("case", "case_enquiry_id"),
    "opened": ("open_dt",),
    "target": ("target_dt", "sla_target_dt"),
    "closed": ("closed_dt",),
    "verdict": ("ontime", "on_time"),
})  # fmt: skip
"""The columns we read, and what they are called in Boston's files of 2011 and of later years."""


class NotRequests(ValueError):  # noqa: N818  it is told, never handled
    """A file that holds no requests."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, times in UTC; without a target nothing was promised, without an end it is open.

    `fault` says why a row could not be read.
    """

    case: str
    opened: datetime | None
    target: datetime | None
    closed: datetime | None
    verdict: Verdict
    fault: str = ""


def read(path: Path, zone: ZoneInfo) -> Iterator[Request]:
    """Read the rows of a CSV file, packed or not; its times are wall-clock times of a zone.

    Raises:
        NotRequests: a column is missing.
    """
    with _opened(path) as file:
        rows = csv.DictReader(file)
        names = _columns(rows.fieldnames or ())
        for row in rows:
            yield _request(row, names, zone)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as packed:
            yield packed
    else:
        with path.open(encoding="utf-8", newline="") as plain:
            yield plain


def _columns(given: object) -> dict[str, str]:
    columns = {}
    for name, spellings in COLUMNS.items():
        spelled = [s for s in spellings if isinstance(given, list) and s in given]
        if not spelled:
            raise NotRequests(f"no column {' or '.join(spellings)}")
        columns[name] = spelled[0]
    return columns


def _request(row: Mapping[str, str | None], names: Mapping[str, str], zone: ZoneInfo) -> Request:
    fields = {name: (row.get(column) or "").strip() for name, column in names.items()}
    verdict: Verdict = "OVERDUE" if fields["verdict"] == "OVERDUE" else ""
    if fields["verdict"] == "ONTIME":
        verdict = "ONTIME"
    try:
        opened, target, closed = (_instant(fields[n], zone) for n in ("opened", "target", "closed"))
    except ValueError:
        return Request(fields["case"], None, None, None, verdict, fault="a time is malformed")
    fault = "no time of opening" if opened is None else ""
    return Request(fields["case"], opened, target, closed, verdict, fault)


def _instant(written: str, zone: ZoneInfo) -> datetime | None:
    if not written:
        return None
    return datetime.fromisoformat(written).replace(tzinfo=zone).astimezone(UTC)
