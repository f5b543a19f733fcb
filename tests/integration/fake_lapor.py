"""The `lapor` command with fake services in place of the stages; all else is real.

FAKE_SERVICES names them, separated by commas.
"""

import os
import sys

from deploy.cli.main import app
from deploy.local import stack
from deploy.local.services import ServiceSpec
from deploy.local.state import Plan


def make_topics(kafka: str) -> None:
    """Stand in for what makes the topics: say that it was called in time."""
    sys.stderr.write(f"topics made on {kafka}\n")


def plan() -> Plan:
    """Return the plan that replaces the real one."""
    return Plan(
        profile="full",
        services=tuple(
            ServiceSpec(name=name, factory="tests.integration.fake_service:build")
            for name in os.environ["FAKE_SERVICES"].split(",")
        ),
        provision="tests.integration.fake_lapor:make_topics",
    )


if __name__ == "__main__":
    stack.DEFAULT_PLAN = plan()
    app()
