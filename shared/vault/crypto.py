"""Seal personal data with a key per report, so that destroying the key erases every copy.

Each report has a random 256-bit key, stored only wrapped by a master key of the environment
(AES-256-GCM, random nonce). From it HKDF-Expand (RFC 5869) derives one key per use.

Texts are sealed with AES-SIV (RFC 5297, 256-bit), which is deterministic, because a record decided
again must give the same bytes (law 1). Its synthetic IV is a MAC over text and associated data
(report and field), so there is no nonce to repeat: the same text in the same field of the same
report gives the same bytes, which tells an onlooker nothing but that, and bytes that were altered
or moved to another report or field do not open. Two different texts get the same IV with
probability q^2 / 2^129 after q texts under one key; a report seals far fewer than q = 4,096.

No error, no repr and no log line of this module carries a key or a text.
"""

import base64
import binascii
import hmac
import os
import re
import unicodedata
from hashlib import blake2b
from typing import Final, Literal, NoReturn, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from shared.contract.tracking import encode, normalised, report_id
from shared.vault.key_text import (
    DEAD_LETTER_KEY_VARIABLE,
    KEY_BYTES,
    MASTER_KEY_VARIABLE,
    KeyUnusable,
    parse_key,
)
from shared.vault.phones import international

_FORMAT: Final = b"\x02"  # first byte of everything made here; a new construction gets a new one
_MASTER_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16  # of AES-GCM; of AES-SIV the synthetic IV
_SIV_KEY_BYTES: Final = 64  # two AES-256 keys: one for the MAC, one for the cipher
_SECRET_CHARACTERS: Final = 10  # 50 bits: out of reach of guessing over a channel, short to type
_NIK_DIGITS: Final = 16
_WRAPPED_BYTES: Final = 1 + _MASTER_ID_BYTES + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES

ContactKind = Literal["phone", "email", "nik"]


class SealBroken(ValueError):  # noqa: N818 - named for what is true
    """Sealed bytes were altered, or belong to another key, report, field or position."""


class ReportKey:
    """The key of one report: seals and opens its fields, and derives its reporter's secret."""

    __slots__ = ("_cipher", "_key", "_report_id")

    def __init__(self, key: bytes, report_id: str) -> None:
        self._key = key
        self._report_id = report_id
        self._cipher = AESSIV(_derived(key, b"siv", _SIV_KEY_BYTES))

    def __repr__(self) -> str:
        return f"ReportKey(report_id={self._report_id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a report key is not serialised")

    def seal(self, field: str, text: str) -> str:
        """Seal the text of a field, in base64url; the same text and field give the same bytes."""
        plain = text.encode("utf-8", "surrogatepass")
        return _as_text(_seal(self._cipher, self._bound_to(field), plain))

    def open(self, field: str, sealed: str) -> str:
        """Open what `seal` made for this report and this field; SealBroken for anything else."""
        plain = _open(self._cipher, self._bound_to(field), _as_bytes(sealed))
        return plain.decode("utf-8", "surrogatepass")

    def reporter_secret(self) -> str:
        """Derive the secret handed to the reporter: 10 characters of Crockford's base32."""
        digest = hmac.digest(self._secret_key(), b"secret", "sha256")
        return encode(int.from_bytes(digest, "big"), _SECRET_CHARACTERS)

    def secret_digest(self, secret: str) -> str:
        """Hash a typed secret under this report's key, tolerant of case, spaces, O, I and L.

        Keyed, because 50 bits under a bare hash could be searched by whoever reads the table.
        """
        typed = normalised(secret).encode("utf-8", "surrogatepass")
        return hmac.digest(self._secret_key(), b"digest" + typed, "sha256").hex()[:32]

    def is_secret(self, typed: str) -> bool:
        """Return in constant time whether this is the reporter's secret, as people type it."""
        return same_digest(self.secret_digest(typed), self.secret_digest(self.reporter_secret()))

    def _secret_key(self) -> bytes:
        return _derived(self._key, b"reporter-secret")

    def _bound_to(self, field: str) -> bytes:
        return _joined(b"field", self._report_id, field)


class Vault:
    """Wraps report keys, and hashes who sent a report, under the master keys of an installation.

    The first master key wraps new keys; the others are retired and only unwrap. Each wrapped key
    names its master key, so rotation is: put the new key first, rewrap, drop the old one.
    """

    __slots__ = ("_current", "_id_key", "_masters", "_message_key", "_sender_key")

    def __init__(self, master_key: bytes, *retired: bytes) -> None:
        for key in (master_key, *retired):
            if len(key) != KEY_BYTES:
                raise KeyUnusable(f"a master key has {KEY_BYTES} bytes, this one has {len(key)}")
        self._masters = {
            master_id(key): AESGCM(_derived(key, b"wrap")) for key in (master_key, *retired)
        }
        self._current = master_id(master_key)
        # The oldest key hashes senders and names reports, so a rotation makes neither known senders
        # unknown nor one submission two reports. An installation that drops it accepts that earlier
        # reports are then matched by secret only, and that a submission sent again across that
        # moment is another report.
        oldest = (master_key, *retired)[-1]
        self._sender_key = _derived(oldest, b"sender")
        self._id_key = _derived(oldest, b"report-id")
        self._message_key = _derived(oldest, b"message-id")

    def __repr__(self) -> str:
        return f"Vault(master_id={self._current.hex()!r}, keys={len(self._masters)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a vault is not serialised")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read base64 master keys separated by commas, the current one first.

        Raises KeyUnusable, which names the variable to set and never the value.
        """
        return cls(*(parse_key(part, MASTER_KEY_VARIABLE) for part in text.split(",")))

    @property
    def master_id(self) -> bytes:
        """Name the current master key: the bytes 2 to 5 of every key that it wrapped."""
        return self._current

    def new_key(self, report_id: str) -> bytes:
        """Draw a random key for a report and return it wrapped, bound to that report's id."""
        return self._wrap(os.urandom(KEY_BYTES), report_id)

    def unwrap(self, wrapped: bytes, report_id: str) -> ReportKey:
        """Open a wrapped key for the report it was made for; SealBroken for any other.

        Raises KeyUnusable when it was wrapped by a master key this vault was not given.
        """
        return ReportKey(self._unwrapped(wrapped, report_id), report_id)

    def rewrap(self, wrapped: bytes, report_id: str) -> bytes:
        """Wrap the same report key under the current master key; unchanged if it already is."""
        if wrapped[1 : 1 + _MASTER_ID_BYTES] == self._current:
            return wrapped
        return self._wrap(self._unwrapped(wrapped, report_id), report_id)

    def sender_digest(self, kind: ContactKind, contact: str) -> str | None:
        """Hash who sent a report under a key of this installation; 32 hexadecimal characters.

        Spellings of one phone number (national or international), e-mail address or NIK give one
        digest. None when the text identifies nobody: a masked or impossible number, no address.
        """
        match kind:
            case "phone":
                identity = international(contact)
            case "email":
                identity = _email(contact)
            case "nik":
                identity = _nik(contact)
        return None if identity is None else self.keyed_digest(f"{kind}:{identity}")

    def keyed_digest(self, text: str) -> str:
        """Hash any text under a key of this installation; 32 hexadecimal characters."""
        plain = text.encode("utf-8", "surrogatepass")
        return hmac.new(self._sender_key, plain, "sha256").hexdigest()[:32]

    def report_id(self, channel: str, message_id: str) -> str:
        """Derive the report id of a channel's message, which nobody without this key can foretell.

        It never changes: rotation keeps the oldest master key, from which it is derived.
        """
        return report_id(self._id_key, channel, message_id)

    def message_digest(self, channel: str, message_id: str) -> str:
        """Hash a channel's own message id, for all who need to know it again and not to read it.

        32 hexadecimal characters. Gateways write phone numbers into their ids.
        """
        bound_to = _joined(b"message", channel, message_id)
        return hmac.new(self._message_key, bound_to, "sha256").hexdigest()[:32]

    def _wrap(self, key: bytes, report_id: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        bound_to = _joined(b"wrap", report_id)
        sealed = self._masters[self._current].encrypt(nonce, key, bound_to)
        return _FORMAT + self._current + nonce + sealed

    def _unwrapped(self, wrapped: bytes, report_id: str) -> bytes:
        _check_format(wrapped)
        if len(wrapped) != _WRAPPED_BYTES:
            raise SealBroken("this is not a wrapped report key")
        needed = wrapped[1 : 1 + _MASTER_ID_BYTES]
        master = self._masters.get(needed)
        if master is None:
            raise KeyUnusable(
                f"a report key needs the master key {needed.hex()}: add it, after a comma, "
                f"to {MASTER_KEY_VARIABLE}",
            )
        nonce_at = 1 + _MASTER_ID_BYTES
        sealed_at = nonce_at + _NONCE_BYTES
        try:
            return master.decrypt(
                wrapped[nonce_at:sealed_at], wrapped[sealed_at:], _joined(b"wrap", report_id)
            )
        except InvalidTag:
            raise SealBroken("a wrapped report key was altered or is another report's") from None


class DeadLetterKey:
    """Seals the original bytes of records that could not be read, bound to where they lay."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise KeyUnusable(f"a dead-letter key has {KEY_BYTES} bytes, this one has {len(key)}")
        self._cipher = AESSIV(_derived(key, b"dead-letter-siv", _SIV_KEY_BYTES))

    def __repr__(self) -> str:
        return "DeadLetterKey()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a dead-letter key is not serialised")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a base64 key; KeyUnusable names the variable to set and never the value."""
        return cls(parse_key(text, DEAD_LETTER_KEY_VARIABLE))

    def seal_bytes(self, original: bytes, topic: str, partition: int, offset: int) -> bytes:
        """Seal a record's bytes for its position; the same record gives the same bytes."""
        return _seal(self._cipher, _position(topic, partition, offset), original)

    def open_bytes(self, sealed: bytes, topic: str, partition: int, offset: int) -> bytes:
        """Open what was sealed for this position; SealBroken for anything else."""
        return _open(self._cipher, _position(topic, partition, offset), sealed)


def master_id(master_key: bytes) -> bytes:
    """Name a master key by 4 bytes of its hash, which tell nothing of the key."""
    return blake2b(master_key, digest_size=_MASTER_ID_BYTES, person=b"lapor/master-id").digest()


def same_digest(one: str, other: str) -> bool:
    """Compare two digests in a time that does not depend on where they differ."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass")
    )


def _derived(key: bytes, use: bytes, size: int = KEY_BYTES) -> bytes:
    """Expand a uniformly random key into one for a single use."""
    return HKDFExpand(SHA256(), size, b"lapor/" + use).derive(key)


def _seal(cipher: AESSIV, bound_to: bytes, plain: bytes) -> bytes:
    return _FORMAT + cipher.encrypt(plain, [bound_to])


def _open(cipher: AESSIV, bound_to: bytes, sealed: bytes) -> bytes:
    _check_format(sealed)
    if len(sealed) <= _TAG_BYTES:
        raise SealBroken("sealed bytes were cut off")
    try:
        return cipher.decrypt(sealed[1:], [bound_to])
    except InvalidTag:
        raise SealBroken(
            "sealed bytes were altered, or belong to another key, report, field or position"
        ) from None


def _check_format(sealed: bytes) -> None:
    if sealed[:1] != _FORMAT:
        raise SealBroken(
            f"sealed bytes begin with format {sealed[:1].hex() or 'none'}, "
            f"this release opens {_FORMAT.hex()}"
        )


def _joined(use: bytes, *parts: str) -> bytes:
    """Write associated data so that no two lists of parts give the same bytes."""
    encoded = (use, *(part.encode("utf-8", "surrogatepass") for part in parts))
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _position(topic: str, partition: int, offset: int) -> bytes:
    """Write `topic/partition/offset`, as long as it is; a topic's name has no slash."""
    return _joined(b"position", f"{topic}/{partition}/{offset}")


def _as_text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def _as_bytes(sealed: str) -> bytes:
    try:
        padded = sealed.encode("ascii") + b"=" * (-len(sealed) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise SealBroken("a sealed field is base64url") from None


def _email(text: str) -> str | None:
    address = unicodedata.normalize("NFKC", text).strip().casefold()
    return address if re.fullmatch(r"[^@\s]+@[^@\s]+", address) else None


def _nik(text: str) -> str | None:
    digits = re.sub(r"[\s.\-]", "", text)
    return digits if re.fullmatch(rf"[0-9]{{{_NIK_DIGITS}}}", digits) else None
