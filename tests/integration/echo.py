"""A stage with the smallest rule there is, in a real process, for tests of the shell.

It stands in routing's place: reads what routing reads, says what routing says.
"""

import os
from pathlib import Path

from faststream.asgi import AsgiFastStream
from pydantic import BaseModel

from shared.contract.events import Dispatch, ReportAccepted, ReportClass, ReportDispatched
from shared.platform.settings import Settings
from shared.rules.decision import Cause, Decision, decided
from shared.runtime.case_store import CaseStore
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage


class Echo(BaseModel, frozen=True):
    """How many records the case saw."""

    seen: int = 0


def decide(case: Echo | None, event: BaseModel, cause: Cause, _policy: object) -> Decision[Echo]:
    """Dispatch at every record; one `by` a bug raises until that is mended, `large` says too much.

    `LAPOR_TEST_MENDED` in the environment is the release that mends the bug, `LAPOR_TEST_RULE` one
    that decides otherwise.
    """
    seen = (case.seen if case else 0) + 1
    if not isinstance(event, ReportAccepted | Dispatch):
        return decided(Echo(seen=seen))
    if event.by == "bug" and not os.environ.get("LAPOR_TEST_MENDED"):
        raise ZeroDivisionError(cause.id)
    return decided(
        Echo(seen=seen),
        ReportDispatched(
            report_id=event.report_id,
            institution=event.institution,
            holding=event.holding,
            dispatch=seen,
            unit="6308-001",
            rule=os.environ.get("LAPOR_TEST_RULE", "echo"),
            why="x" * 1_000_000 if event.by == "large" else "it came",
            by="auto",
            report_class=ReportClass.UNSUPERVISED,
        ),
    )


def build() -> AsgiFastStream:
    """Compose the stage."""
    own = Path(os.environ["LAPOR_TEST_MIGRATIONS"])
    store = CaseStore(case=Echo, is_open=lambda case: case.seen > 0)
    stage: Stage[Echo, object] = Stage(name="routing", store=store, migrations=own, decide=decide)
    return stage_app(Settings(), stage)
