"""The minimal stage of `docs/examples`, with the faults that tests of the shell need.

It stands in routing's place: reads what routing reads, says what routing says.
"""

import os
from pathlib import Path

from faststream.asgi import AsgiFastStream
from pydantic import BaseModel

from docs.examples import minimal_stage
from docs.examples.minimal_stage import STORE, Echo
from shared.contract.events import Dispatch, ReportAccepted, ReportDispatched
from shared.platform.settings import Settings
from shared.rules.decision import Cause, Decision, decided
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage

__all__ = ["Echo", "build", "decide"]


def decide(case: Echo | None, event: BaseModel, cause: Cause, policy: object) -> Decision[Echo]:
    """Decide as the example; `by` a bug it raises until that is mended, `large` says too much.

    `LAPOR_TEST_MENDED` in the environment is the release that mends the bug, `LAPOR_TEST_RULE` one
    that decides otherwise.
    """
    by = event.by if isinstance(event, ReportAccepted | Dispatch) else ""
    if by == "bug" and not os.environ.get("LAPOR_TEST_MENDED"):
        raise ZeroDivisionError(cause.id)
    decision = minimal_stage.decide(case, event, cause, policy)
    changes = {"rule": os.environ.get("LAPOR_TEST_RULE", "echo")}
    if by == "large":
        changes["why"] = "x" * 1_000_000
    return decided(
        decision.case,
        *(
            ReportDispatched.model_validate({**outgoing.event.model_dump(), **changes})
            for outgoing in decision.events
        ),
    )


def build() -> AsgiFastStream:
    """Compose the stage."""
    own = Path(os.environ["LAPOR_TEST_MIGRATIONS"])
    stage: Stage[Echo, object] = Stage(name="routing", store=STORE, migrations=own, decide=decide)
    return stage_app(Settings(), stage)
