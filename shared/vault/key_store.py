"""Keep wrapped report keys in the schema `vault`: made by intake, opened by those who may, logged.

Destroying a key empties its row; PostgreSQL's old row version goes with the next VACUUM, its WAL
and backups with their retention, so erasure is complete when the backups of that day are gone.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shared.platform.postgres import Connection
    from shared.vault.crypto import ReportKey, Vault

SCHEMAS: Final = {"vault": Path(__file__).with_name("migrations")}
"""Schemas that a stage with a vault needs beside its own: name -> folder of migrations."""

_ENSURE: Final = """
with made as (
    insert into vault.report_key (report_id, wrapped)
    select report_id, wrapped from unnest($1::text[], $2::bytea[]) as fresh (report_id, wrapped)
    on conflict (report_id) do nothing
    returning report_id, wrapped, destroyed_at
)
select report_id, wrapped, destroyed_at from made
union all
select report_id, wrapped, destroyed_at from vault.report_key where report_id = any ($1::text[])
"""

_OPEN: Final = """
with opened as (
    select report_id, wrapped from vault.report_key
    where report_id = any ($1::text[]) and destroyed_at is null
), logged as (
    insert into vault.key_use (stage, purpose, report_ids)
    select $2, $3, array_agg(report_id order by report_id) from opened having count(*) > 0
)
select report_id, wrapped from opened
"""

_DESTROY: Final = """
update vault.report_key set wrapped = ''::bytea, destroyed_at = now()
where report_id = $1 and destroyed_at is null
"""

_TO_REWRAP: Final = """
select report_id, wrapped from vault.report_key
where destroyed_at is null and substring(wrapped from 2 for 4) <> $1
order by report_id limit $2
"""

# Only if it is still the row that was read: a key destroyed meanwhile stays destroyed.
_REWRAP: Final = """
update vault.report_key as key set wrapped = fresh.wrapped
from unnest($1::text[], $2::bytea[], $3::bytea[]) as fresh (report_id, before, wrapped)
where key.report_id = fresh.report_id and key.wrapped = fresh.before
"""


async def ensure_keys(
    connection: "Connection", vault: "Vault", report_ids: Iterable[str]
) -> "dict[str, ReportKey]":
    """Give each report its one key, made now or earlier; a destroyed one is absent.

    One round trip; a second only for keys that another worker made in the same moment (its
    rows are invisible to the first statement's snapshot). Needs READ COMMITTED, the default.
    """
    keys: dict[str, ReportKey] = {}
    missing = sorted(set(report_ids))  # sorted: two workers lock in one order
    while missing:
        fresh = [vault.new_key(report_id) for report_id in missing]
        rows = await connection.fetch(_ENSURE, missing, fresh)
        keys |= {
            row["report_id"]: vault.unwrap(row["wrapped"], row["report_id"])
            for row in rows
            if row["destroyed_at"] is None
        }
        answered = {row["report_id"] for row in rows}
        missing = [report_id for report_id in missing if report_id not in answered]
    return keys


async def open_keys(
    connection: "Connection",
    vault: "Vault",
    report_ids: Iterable[str],
    *,
    stage: str,
    purpose: str,
) -> "dict[str, ReportKey]":
    """Fetch the keys that exist and log their use in the same statement; others are absent."""
    ordered = sorted(set(report_ids))
    if not ordered:
        return {}
    rows = await connection.fetch(_OPEN, ordered, stage, purpose)
    return {row["report_id"]: vault.unwrap(row["wrapped"], row["report_id"]) for row in rows}


async def destroy_key(connection: "Connection", report_id: str) -> bool:
    """Destroy a report's key for ever; False when there was none left to destroy."""
    done: str = await connection.execute(_DESTROY, report_id)
    return done == "UPDATE 1"


async def rewrap_keys(connection: "Connection", vault: "Vault", limit: int = 1_000) -> int:
    """Wrap up to `limit` keys of retired master keys under the current one; 0 when none is left.

    Repeat until 0, then the retired master key may leave the environment. Sealed texts stay as
    they are: the report keys do not change.
    """
    rows = await connection.fetch(_TO_REWRAP, vault.master_id, limit)
    if rows:
        ids = [row["report_id"] for row in rows]
        before = [row["wrapped"] for row in rows]
        fresh = [vault.rewrap(row["wrapped"], row["report_id"]) for row in rows]
        await connection.execute(_REWRAP, ids, before, fresh)
    return len(rows)
