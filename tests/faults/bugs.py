"""Each stage with a bug that bites one report, where a file says so: for the fault runs.

`LAPOR_TEST_BUGS` names a folder; a file `<stage>!<report>` in it holds what the rule does when it
decides for that report: `rule_raised`, or `event_too_large`. Taking the file away mends the rule. A
file `<stage>!<report>.hit` says that the bug has bitten.
"""

import importlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from faststream.asgi import AsgiFastStream
from pydantic import BaseModel

from deploy.local.services import SERVICES
from shared.platform.settings import Settings
from shared.rules.decision import Cause, Decision
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage

FACTORY: Final = "tests.faults.bugs:build"
FOLDER: Final = "LAPOR_TEST_BUGS"
TOO_LARGE: Final = {"ReportDispatched": "why"}  # a text of such an event that can be made too long


class Buggy:
    """A rule that does what the folder says, else what the true rule does."""

    def __init__(self, stage: Stage[Any, Any], folder: Path) -> None:
        self._decide, self._name, self._folder = stage.decide, stage.name, folder

    def __call__(
        self, case: Any, event: BaseModel, cause: Cause, policy: Any, /
    ) -> Decision[BaseModel]:
        """Decide."""
        decision: Decision[BaseModel] = self._decide(case, event, cause, policy)
        file = self._folder / f"{self._name}!{getattr(event, 'report_id', '')}"
        try:
            bug = file.read_text()
        except FileNotFoundError:
            return decision
        spoilt = decision if bug == "rule_raised" else _too_large(decision)
        if spoilt is not None:
            Path(f"{file}.hit").touch()
        if bug == "rule_raised":
            raise ZeroDivisionError("a bug that bites one report")
        return spoilt or decision


def _too_large(decision: Decision[BaseModel]) -> Decision[BaseModel] | None:
    """Return the decision with an event that no broker would take, None if none can be made so."""
    for number, outgoing in enumerate(decision.events):
        field = TOO_LARGE.get(type(outgoing.event).__name__)
        if field:
            large = outgoing.event.model_copy(update={field: "x" * 1_000_000})
            events = list(decision.events)
            events[number] = replace(outgoing, event=large)
            return replace(decision, events=tuple(events))
    return None


def build() -> AsgiFastStream:
    """Compose the service that `LAPOR_INSTANCE` names, its rule a buggy one."""
    folder, name = Path(os.environ[FOLDER]), os.environ["LAPOR_INSTANCE"]
    module, _, factory = next(s.factory for s in SERVICES if s.name == name).partition(":")

    def compose(settings: Settings, stage: Stage[Any, Any]) -> AsgiFastStream:
        return stage_app(settings, replace(stage, decide=Buggy(stage, folder)))

    app: Any = importlib.import_module(module)
    app.stage_app = compose
    built: AsgiFastStream = getattr(app, factory)()
    return built
