"""What a stage's `store.py` says of its cases: the model, and the columns beside its JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Generic, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def _never(_case: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class CaseStore(Generic[M]):
    """How a stage's cases lie in its `cases` table.

    The shell's own columns (`report_id version sequence decided state is_open alarm_at ring_at`)
    stand in `shared/shell.sql`; `columns` adds the stage's: name -> (SQL type, value of a case).
    `is_open` feeds the metric of open cases, `alarm_at` the alarm loop (UTC, none for no alarm).
    """

    case: type[M]
    is_open: Callable[[M], bool]
    alarm_at: Callable[[M], datetime | None] = _never
    columns: Mapping[str, tuple[str, Callable[[M], object]]] = field(
        default_factory=lambda: MappingProxyType({})
    )
