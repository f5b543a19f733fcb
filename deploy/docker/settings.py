"""Write the settings of the stack with Docker, secrets drawn: `python3 -m deploy.docker.settings`.

Needs nothing but Python, so that it runs before anything is installed.
"""

import os
import secrets
import sys
from pathlib import Path

from shared.vault.key_text import new_key_text

FILE = Path(".env")


def text() -> str:
    """Return the settings, every secret a new one."""
    return f"""\
# Made by `python3 -m deploy.docker.settings`; read by docker-compose. Keep a copy elsewhere:
# without the master key no report that is already sealed can be read again, by nobody.
LAPOR_MASTER_KEY={new_key_text()}
LAPOR_DEAD_LETTER_KEY={new_key_text()}
LAPOR_POSTGRES_PASSWORD={secrets.token_urlsafe(24)}
LAPOR_GRAFANA_PASSWORD={secrets.token_urlsafe(18)}
# Ports on this machine's loopback; not those of `lapor up`, so that both can run side by side.
# For the stages' own pages Docker chooses free ones.
LAPOR_KAFKA_PORT=19092
LAPOR_POSTGRES_PORT=15432
LAPOR_PROMETHEUS_PORT=9090
LAPOR_GRAFANA_PORT=3000
"""


def write(file: Path) -> None:
    """Write the settings for their owner's eyes only.

    Raises:
        FileExistsError: the file is there already, and with it keys that may be in use.
    """
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text())


if __name__ == "__main__":
    try:
        write(FILE)
    except FileExistsError:
        sys.exit(f"{FILE} is there already and was left as it is: its keys may be in use.")
    print(f"{FILE} written. Next: docker-compose build topics && docker-compose up -d")
