"""A stage from zero: it reads what routing reads, and dispatches every report to one unit.

The parts of any stage: a case, a pure rule, a store, migrations, the composition. Tests of the
shell run it in routing's place (`tests/integration/echo.py`, `tests/simulation`).
"""

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
    """The case: what the stage knows of one report. Stored as JSON, one row per report."""

    seen: int = 0


def decide(case: Echo | None, event: BaseModel, _cause: Cause, _policy: object) -> Decision[Echo]:
    """Dispatch whenever the institution accepts, or its officer says so: the rule.

    Pure: no clock (`cause.now` is the time), no input or output. The same record decided again
    gives the same event under the same id.
    """
    seen = Echo(seen=(case.seen if case else 0) + 1)
    if not isinstance(event, ReportAccepted | Dispatch):
        return decided(seen)
    return decided(
        seen,
        ReportDispatched(
            report_id=event.report_id,
            institution=event.institution,
            holding=event.holding,
            dispatch=seen.seen,
            unit="6308-001",
            rule="echo",
            why="it came",
            by="auto",
            report_class=ReportClass.UNSUPERVISED,
        ),
    )


STORE = CaseStore(case=Echo, is_open=lambda case: case.seen > 0)
MIGRATIONS = Path(__file__).with_name("migrations")  # the stage's additions to `cases`


def build() -> AsgiFastStream:
    """Compose the process; `uvicorn docs.examples.minimal_stage:build --factory` starts it."""
    stage: Stage[Echo, object] = Stage(
        name="routing", store=STORE, migrations=MIGRATIONS, decide=decide
    )
    return stage_app(Settings(), stage)
