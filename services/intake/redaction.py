"""What of a message leaves the gateway, and in which form. Pure: keys are arguments."""

import json
from dataclasses import replace

from shared.contract import events as e
from shared.contract import text_checks
from shared.rules.decision import C, Decision
from shared.vault.crypto import ReportKey

_SUGGESTIONS = ("report_class", "category", "institution")


def hash_message_id(decision: Decision[C], digest: str) -> Decision[C]:
    """Put a keyed hash in place of the channel's own message id, but in the channel's answer.

    Gateways write phone numbers into their ids, and the core's streams are kept for ever.
    """
    return replace(
        decision,
        events=tuple(
            outgoing
            if isinstance(outgoing.event, e.ChannelAnswer)
            else replace(outgoing, event=outgoing.event.model_copy(update={"message_id": digest}))
            for outgoing in decision.events
        ),
    )


def seal_screening(screening: e.Screening, key: ReportKey) -> e.Screening:
    """Seal the words behind each suggestion; of its reasons only the kinds stay in the clear."""
    sealed = {
        name: suggested.model_copy(
            update={
                "why": key.seal(f"screening.{name}", " ".join(suggested.reasons)),
                "reasons": tuple(dict.fromkeys(r.partition(":")[0] for r in suggested.reasons)),
            }
        )
        for name in _SUGGESTIONS
        if (suggested := getattr(screening, name)) is not None and suggested.reasons
    }
    return screening.model_copy(update=sealed)


def seal_optional(key: ReportKey, field: str, words: str | None) -> str | None:
    """Seal a field that may be empty."""
    return None if words is None else key.seal(field, words)


def content_of(event: e.SubmitReport) -> str:
    """Write what a report says, in one text to be sealed."""
    fields = event.model_dump(
        include={"title", "body", "place", "incident_on", "attachments"}, exclude_none=True
    )
    clean = {n: text_checks.unix_lines(v) if isinstance(v, str) else v for n, v in fields.items()}
    return json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
