"""`lapor policy publish`: limits that change, of one institution or of the nation."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.model.change_file import limits_in

group = typer.Typer(no_args_is_help=True, help="The limits: how long somebody has, since when.")


@group.command()
def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="institution, and one \\[limits].")],
    *,
    apply_to_open: Annotated[
        bool,
        typer.Option("--apply-to-open", help="Also to open reports, whose dates then move."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Publish it, then follow the work.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One document, for programs.")] = False,
) -> None:
    """Say new limits to every stage; without --yes only show which open deadlines would move.

    Open reports keep the dates that they were promised, unless --apply-to-open. Limits of an
    institution may only be tighter than the nation's; those of 00 are the nation's.
    """
    from deploy.cli.commands.publish import PublishOptions, amend  # noqa: PLC0415  the stage's rule loads slowly

    command = f"policy publish {file}" + (" --apply-to-open" if apply_to_open else "")
    amend(
        lambda _registry: limits_in(file, applies_to_open=apply_to_open),
        PublishOptions(command, yes, as_json),
    )
