"""Who writes: keyed hashes to know them again, and the identity that is sealed. Pure."""

import json

from shared.contract.events import Reporter
from shared.vault.crypto import Vault
from shared.vault.phones import international


def hash_senders(vault: Vault, channel: str, reporter: Reporter) -> tuple[str, ...]:
    """Return keyed hashes of who writes, the surest to be the same elsewhere first.

    An account's name counts only within its channel; phone and e-mail in all of them.
    """
    digests = (
        vault.sender_digest("phone", reporter.phone) if reporter.phone else None,
        vault.sender_digest("email", reporter.email) if reporter.email else None,
        vault.keyed_digest(f"account:{channel}:{reporter.sender_id}")
        if reporter.sender_id
        else None,
    )
    return tuple(digest for digest in digests if digest is not None)


def identity_of(reporter: Reporter) -> str | None:
    """Write who the reporter is, in spellings that reach them; None if nothing is known."""
    fields = reporter.model_dump(exclude_none=True)
    tidy = {name: text.strip() for name, text in fields.items() if text.strip()}
    if "phone" in tidy:
        tidy["phone"] = international(tidy["phone"]) or tidy["phone"]
    if not tidy.keys() - {"language"}:
        return None
    return json.dumps(tidy, ensure_ascii=False, separators=(",", ":"))
