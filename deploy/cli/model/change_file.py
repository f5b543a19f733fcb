"""What an operator's file says of a change, as the event that tells it. Pure but for the file."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from deploy.cli.terminal.console import CliError
from shared.contract.events import CalendarAmended, LimitTerm, PolicyChanged
from shared.registry import Change, Limit, Registry, RegistryError, problems_of
from shared.registry.calendars import Chain, numbered
from shared.registry.changes import version_of
from shared.registry.files import parse
from shared.registry.limit import DataEntry
from shared.registry.models import DecreeVersion, OwnLimits

Event = CalendarAmended | PolicyChanged

NATIONAL_POLICY: Final = "national"
_CALENDAR_FORM: Final = (
    'A file for it holds: chain = "indonesia", then one [[version]] with known_from, decree, '
    "source, decides, add and remove. See deploy/registry/README.md"
)
_POLICY_FORM: Final = (
    'A file for it holds: institution = "6308", then one [limits] with valid_from and limits such '
    'as follow_up_information = { days = 3, source = "…" }. See deploy/registry/README.md'
)


class _CalendarFile(DataEntry):
    """A file that states one version of a chain."""

    chain: str = ""
    version: tuple[dict[str, Any], ...]


class _PolicyFile(DataEntry):
    """A file that states new limits of one institution; 00 are the nation's."""

    institution: str
    again: int = Field(default=1, ge=1, le=99)
    limits: dict[str, Any]


def decree_in(name: str, registry: Registry) -> CalendarAmended:
    """Return the version that is meant: in a file, or by its name one that the registry has.

    Raises:
        CliError: there is no such file or version, or the file is malformed; it says what to do.
    """
    path = Path(name)
    if path.is_file():
        return _decree_of(path, registry)
    for chain in registry.chains.values():
        version = chain.named(name)
        if version is not None:
            return _amended(chain, version)
    newest = ", ".join(chain.name_at(len(chain.versions)) for chain in registry.chains.values())
    raise CliError(
        f"There is no file and no version {name!r}.",
        f"Name a TOML file with one [[version]], or a version that the files have; the newest: "
        f"{newest}. All: lapor calendar show",
    )


def _decree_of(path: Path, registry: Registry) -> CalendarAmended:
    try:
        file = parse(_CalendarFile, _toml(path, _CALENDAR_FORM), path.name)
        name = file.chain or _only(registry.chains)
        if len(file.version) != 1:
            raise CliError(
                f"{path.name} holds {len(file.version)} versions.",
                "Publish one at a time; of a whole calendar's file name the version: "
                "lapor calendar publish id-2026-03-10",
            )
        version = parse(DecreeVersion, file.version[0], f"{path.name}: version")
    except RegistryError as wrong:
        raise _malformed(wrong, path, _CALENDAR_FORM) from None
    chain = registry.chains.get(name)
    if chain is None:
        there = ", ".join(sorted(registry.chains))
        raise CliError(
            f"{path.name}: there is no calendar {name!r}.",
            f"There are: {there}. A new one is a file in deploy/registry/calendars, named by an "
            "institution; deploy it first",
        )
    return _amended(chain, version)


def _only(chains: Mapping[str, Chain]) -> str:
    """Return the name of the only chain, empty if there are several."""
    return next(iter(chains)) if len(chains) == 1 else ""


def _amended(chain: Chain, version: DecreeVersion) -> CalendarAmended:
    try:
        return CalendarAmended(
            version=chain.name_of(version), chain=chain.written.name, **version.model_dump()
        )
    except ValidationError as wrong:
        problem = wrong.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise CliError(
            f"version {version.known_from}: {where}: {problem['msg']}.", "Correct it"
        ) from None


def limits_in(path: Path, *, applies_to_open: bool) -> PolicyChanged:
    """Return the change of limits that a file states.

    Raises:
        CliError: there is no such file, or it is malformed; it says what to do.
    """
    if not path.is_file():
        raise CliError(f"There is no file {str(path)!r}.", _POLICY_FORM)
    try:
        file = parse(_PolicyFile, _toml(path, _POLICY_FORM), path.name)
        own = parse(OwnLimits, file.limits, f"{path.name}: limits")
    except RegistryError as wrong:
        raise _malformed(wrong, path, _POLICY_FORM) from None
    owner = NATIONAL_POLICY if file.institution == "00" else file.institution
    try:
        return PolicyChanged(
            version=numbered(f"{owner}-{own.valid_from}", file.again),
            institution=file.institution,
            valid_from=own.valid_from,
            limits={name: _term(limit) for name, limit in own.given().items()},
            applies_to_open=applies_to_open,
        )
    except ValidationError:
        raise CliError(
            f"{path.name}: {file.institution!r} is no institution's code.", _POLICY_FORM
        ) from None


def _term(limit: Limit) -> LimitTerm:
    return LimitTerm(amount=limit.amount, unit=limit.unit, source=limit.source)


def _toml(path: Path, form: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as wrong:
        raise CliError(f"{path.name} cannot be read: {wrong}.", form) from None


def _malformed(wrong: RegistryError, path: Path, form: str) -> CliError:
    return CliError("\n".join((f"{path.name} cannot be published:", *wrong.problems)), form)


def refuse_bad(event: Event, registry: Registry, now: datetime) -> None:
    """Raise CliError with everything that is wrong with a change; the registry is that of now."""
    problems = problems_of(Change(event=event, seen_at=now), registry)
    if problems:
        raise CliError(
            "\n".join((f"{event.version} cannot be published:", *problems)),
            "Correct the file; nothing was published",
        )
    since = counts_from(event, registry, now)
    if since > now and (isinstance(event, CalendarAmended) or event.applies_to_open):
        raise CliError(
            f"{event.version} would count from {since.isoformat(timespec='minutes')} only: open "
            "reports, which are asked when it is published, would not move.",
            "A decree counts from the day it became known, at the earliest from its publishing: "
            "publish it on that day. (Limits without --apply-to-open may lie ahead)",
        )


def refuse_other_reach(event: Event, before: Event | None) -> None:
    """Raise CliError if limits were published with another say over what is open."""
    if not isinstance(event, PolicyChanged) or not isinstance(before, PolicyChanged):
        return
    if event.applies_to_open != before.applies_to_open:
        how = "with" if before.applies_to_open else "without"
        raise CliError(
            f"{event.version} was published {how} --apply-to-open, and what was published is never "
            "edited.",
            f"See it {how} --apply-to-open; or publish another version, of a later valid_from",
        )


def counts_from(event: Event, registry: Registry, now: datetime) -> datetime:
    """Return the instant (UTC) from which a change counts that is published now."""
    if isinstance(event, CalendarAmended):
        return registry.chains[event.chain].counts_from(version_of(event), now)
    return registry.policy_history(event.institution).counts_from(event.valid_from, now)
