"""How the SLA monitor's cases lie in its table."""

from services.sla_monitor.rules import MonitoredCase
from shared.runtime.case_store import CaseStore

STORE = CaseStore(
    case=MonitoredCase,
    is_open=lambda case: not case.is_over,
    timer_at=lambda case: case.timer_at,
    columns={
        "holder": ("text", lambda case: case.holder),
        "next_deadline": ("timestamptz", lambda case: case.next_deadline),
        "next_clock": ("text", lambda case: case.next_clock),
        "institutions": ("text", lambda case: ",".join(case.institutions)),
        "counts_from": ("timestamptz", lambda case: case.counts_from),
        "counts_until": ("timestamptz", lambda case: case.counts_until),
    },
)
