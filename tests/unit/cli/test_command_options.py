"""A command from the command line."""

import pytest

from deploy.cli.model.command_options import command_named, options, order
from deploy.cli.terminal.console import CliError
from deploy.cli.views.inbox import EFFECT_OF
from shared.contract import events as e
from shared.contract.topics import COMMANDS
from tests.support.builders import REPORT


@pytest.mark.parametrize("name", ["FollowUp", "follow-up", "follow_up", "followup"])
def test_a_command_is_known_however_its_name_is_written(name: str) -> None:
    """People do not remember which way it is."""
    assert command_named(name) is e.FollowUp


def test_an_unknown_command_is_told_with_those_there_are() -> None:
    """So that the next try is right."""
    with pytest.raises(CliError, match="no command 'Acept'") as told:
        command_named("Acept")
    assert "Accept" in told.value.hint


def test_options_are_fields() -> None:
    """With a value, an equals sign, or neither for yes and no."""
    given = ["--unit", "6308-001", "--text=Sudah --benar", "--solved", "--no-final"]
    assert options(given) == {
        "unit": "6308-001", "text": "Sudah --benar", "solved": True, "final": False,
    }  # fmt: skip


def test_a_forgotten_quote_is_told() -> None:
    """The commonest mistake with texts."""
    with pytest.raises(CliError, match="'baik' belongs to no option") as told:
        options(["--text", "Sudah", "baik"])
    assert "quotes" in told.value.hint


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_asks_for_what_it_needs_and_for_nothing_else(command: type[e.Command]) -> None:
    """Report, holding and officer are given; every command has a field of its own that it needs."""
    needed = [
        name
        for name, field in command.model_fields.items()
        if field.is_required() and name not in ("report_id", "holding", "by")
    ]
    with pytest.raises(CliError, match="needs") as told:
        order(command, REPORT, 1, {})
    assert all(f"--{name.replace('_', '-')}" in str(told.value) for name in needed)
    line = order(command, REPORT, 1, dict.fromkeys(needed, "x"))
    assert line.fields is not None
    assert line.fields["type"] == command.__name__


def test_what_the_gateway_stamps_cannot_be_given() -> None:
    """It would be overwritten without a word."""
    with pytest.raises(CliError, match="no field 'institution'"):
        order(e.CloseCase, REPORT, 1, {"institution": "3204", "solved": True})


def test_yes_and_no_become_what_json_has_for_them() -> None:
    """Anything else goes as it is, for the gateway to refuse."""
    for said, meant in (("yes", True), ("False", False), ("maybe", "maybe")):
        line = order(e.CloseCase, REPORT, 1, {"solved": said})
        assert line.fields is not None
        assert line.fields["solved"] == meant


def test_every_command_has_an_effect_that_is_waited_for() -> None:
    """Otherwise `lapor agency send` would wait for nothing."""
    assert set(EFFECT_OF) == set(COMMANDS)
