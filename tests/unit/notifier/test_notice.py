"""What a webhook's receiver may read by program."""

import json
from dataclasses import replace

from services.notifier.rules import field_of
from tests.unit.notifier.builders import (
    EMAIL,
    HOOK,
    KEY,
    POLICY,
    a_cause,
    a_deadline_set,
    a_report,
    lookups,
)
from tests.unit.notifier.test_rules import requests_of, told


def test_a_webhook_carries_in_fields_what_its_text_tells() -> None:
    """Nothing else does: a mail's reader is a person; all of it is sealed."""
    by = lookups(replace(POLICY, channels=frozenset({"email", "webhook"})))
    forwarded = a_deadline_set()
    report = a_report(reporter={"email": EMAIL, "webhook": HOOK})
    decision = told((report, "c-1"), (forwarded, "c-2"), by=by)
    (mail, hook) = (
        json.loads(KEY.open(field_of(r.notification_id), r.message)) for r in requests_of(decision)
    )
    assert set(mail) == {"to", "subject", "body"}
    assert hook["notice"] == {
        "channel": report.channel,
        "tracking_number": report.tracking_number,
        "template": "dispatched",
        "language": "id",
        "time": a_cause("c-2").now.isoformat(),
        "clock": forwarded.clock,
        "institution": forwarded.institution,
        "deadline": forwarded.deadline.isoformat(),
    }
