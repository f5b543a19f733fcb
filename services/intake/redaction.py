"""What of a message leaves the gateway, and in which form. Pure: keys are arguments."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Self

from shared.contract import events as e
from shared.contract import text_checks
from shared.rules.decision import C, Cause, Decision
from shared.vault.crypto import ReportKey, Vault

_SUGGESTIONS = ("report_class", "category", "institution")


class Names(NamedTuple):
    """How this installation names a channel's message: (channel, message id) -> what to say.

    Both are keyed hashes: from neither can anybody read, or foretell from tickets, what is named.
    """

    report_id: Callable[[str, str], str]
    digest: Callable[[str, str], str]

    @classmethod
    def of(cls, vault: Vault) -> Self:
        """Name by the vault's own keys."""
        return cls(vault.report_id, vault.message_digest)


def unnamed(decision: Decision[C], cause: Cause, names: Names) -> Decision[C]:
    """Let the channel's own message id go back to the channel, and nowhere else in the clear.

    Gateways write phone numbers into their ids, and the core's streams are kept for ever.
    """
    digest = names.digest(cause.producer, cause.message_id)
    return replace(
        decision,
        events=tuple(
            outgoing
            if isinstance(outgoing.event, e.ChannelAnswer)
            else replace(outgoing, event=outgoing.event.model_copy(update={"message_id": digest}))
            for outgoing in decision.events
        ),
    )


def sealed(screening: e.Screening, key: ReportKey) -> e.Screening:
    """Seal what screening found in the text; of its reasons the kinds stay, which say no word."""
    found = {
        name: suggested.model_copy(
            update={
                "why": key.seal(f"screening.{name}", " ".join(suggested.reasons)),
                "reasons": tuple(dict.fromkeys(r.partition(":")[0] for r in suggested.reasons)),
            }
        )
        for name in _SUGGESTIONS
        if (suggested := getattr(screening, name)) is not None and suggested.reasons
    }
    return screening.model_copy(update=found)


def sealed_words(key: ReportKey, field: str, words: str | None) -> str | None:
    """Seal a field that may be empty."""
    return None if words is None else key.seal(field, words)


def content_of(event: e.SubmitReport) -> str:
    """Write what a report says, in one text to be sealed."""
    fields = event.model_dump(
        include={"title", "body", "place", "incident_on", "attachments"}, exclude_none=True
    )
    clean = {n: text_checks.unix_lines(v) if isinstance(v, str) else v for n, v in fields.items()}
    return json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
