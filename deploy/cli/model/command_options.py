"""An institution's command from what stands on the command line. Pure.

Only what is needed to send it is checked here; whether it is a good one is for the gateway to say.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from deploy.cli.clients.jsonl import JsonLine, parse
from deploy.cli.terminal.console import CliError
from shared.contract import events as e
from shared.contract.topics import COMMANDS

STAMPED: Final = ("institution", "message_id")  # by the gateway; what a sender writes there is lost
BY: Final = "cli"  # the officer, where nobody is named
_BOOLS: Final = {"true": True, "yes": True, "false": False, "no": False}
_BY_NAME: Final = {command.__name__.lower(): command for command in COMMANDS}


def command_named(name: str) -> type[e.Command]:
    """Return a command by its name, written `FollowUp`, `follow-up` or `follow_up`.

    Raises:
        CliError: there is none of that name.
    """
    found = _BY_NAME.get(name.lower().replace("-", "").replace("_", ""))
    if found is None:
        names = ", ".join(command.__name__ for command in COMMANDS)
        raise CliError(f"There is no command {name!r}.", f"There are: {names}")
    return found


def options(arguments: Sequence[str]) -> dict[str, str | bool]:
    """Read `--field value`, `--field=value`, and `--field` or `--no-field` for yes or no.

    Raises:
        CliError: something is no option.
    """
    found: dict[str, str | bool] = {}
    left = list(arguments)
    while left:
        option = left.pop(0)
        if not option.startswith("--") or option == "--":
            raise CliError(
                f"{option!r} belongs to no option.",
                'A text of several words needs quotes: --text "Sudah diperbaiki."',
            )
        name, is_given, value = option[2:].partition("=")
        name = name.replace("-", "_")
        if is_given:
            found[name] = value
        elif left and not left[0].startswith("--"):
            found[name] = left.pop(0)
        else:
            found[name.removeprefix("no_")] = not name.startswith("no_")
    return found


def order(
    command: type[e.Command], report_id: str, holding: int, given: Mapping[str, str | bool]
) -> JsonLine:
    """Write a command as a line of a file would.

    Raises:
        CliError: a field that the command does not have, or lacks one that it needs.
    """
    takes = f"{command.__name__} takes: {', '.join(_takes(command))}"
    content: dict[str, Any] = {
        "type": command.__name__, "report_id": report_id, "holding": holding, "by": BY,
    }  # fmt: skip
    for name, value in given.items():
        field = command.model_fields.get(name)
        if (field is None or name in STAMPED) and name != "id":
            raise CliError(f"{command.__name__} has no field {name!r}.", takes)
        is_bool = field is not None and field.annotation is bool
        content[name] = _BOOLS.get(str(value).lower(), value) if is_bool else value
    missing = [n for n, f in command.model_fields.items() if f.is_required() and n not in content]
    if missing:
        needed = " and ".join(_option(name) for name in missing)
        raise CliError(f"{command.__name__} needs {needed}.", takes)
    return parse(1, json.dumps(content).encode())


def usage(command: type[e.Command]) -> str:
    """Return the options of a command, those in brackets that may be left out."""
    return f"{command.__name__} {' '.join(_takes(command))}"


def _takes(command: type[e.Command]) -> list[str]:
    own = [name for name in command.model_fields if name not in ("report_id", "holding", *STAMPED)]
    return [
        _option(name) if command.model_fields[name].is_required() and name != "by"
        else f"[{_option(name)}]"
        for name in own
    ]  # fmt: skip


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
