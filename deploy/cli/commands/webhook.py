"""`lapor webhook secret`: what a channel's receiver checks our signatures with."""

import re
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from deploy.cli.terminal.console import CliError, out
from services.notifier.senders.signature import receiver_secret
from services.notifier.senders.webhook import host_of
from services.notifier.settings import NotifierSettings

VARIABLE: Final = "LAPOR_NOTIFIER_WEBHOOK_SECRET"
_CHANNEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

group = typer.Typer(no_args_is_help=True, help="Webhooks: whose signature is whose.")


@group.command()
def secret(
    channel: Annotated[str, typer.Argument(help="The channel's name, as in its topics.")],
    host: Annotated[str, typer.Argument(help="The host of its webhooks, as in their URLs.")],
) -> None:
    """Print the secret of a channel's receiver at a host, in Standard Webhooks' form.

    Give it to whoever runs that host for that channel, and to nobody else: it signs nothing for
    others. It is derived from the installation's secret, and nothing stores it.
    """
    out.print(_secret(channel, host), soft_wrap=True)


def _secret(channel: str, host: str) -> str:
    name = host_of(f"https://{host}")
    if not _CHANNEL.fullmatch(channel):
        raise CliError(f"{channel!r} is no channel's name.", "Write it as in its topics, like api")
    if not name or "/" in host:
        raise CliError(f"{host!r} is no host.", "Write it without https:// and without a path")
    try:
        masters = NotifierSettings().webhook_secrets
    except ValidationError as wrong:
        first = wrong.errors(include_input=False)[0]
        field = str(first["loc"][0] if first["loc"] else "").upper()
        raise CliError(
            f"LAPOR_NOTIFIER_{field}: {first['msg']}", "Mend it where the notifier has it"
        ) from None
    if not masters:
        raise CliError(
            f"{VARIABLE} is not set: there are no webhooks.",
            "Run this where the notifier's settings are",
        )
    return receiver_secret(masters[0], channel, name)
