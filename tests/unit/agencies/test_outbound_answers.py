"""Every command is answered on its sender's inbox, also where its holding's end was faster."""

import pytest
from pydantic import BaseModel

from shared.contract import events as e
from tests.unit.agencies.builders import HSU, NATIONAL, a_fact
from tests.unit.agencies.runs import ELSEWHERE, ENDS, RETURN, begun


@pytest.mark.parametrize(
    ("end", "effect", "entry"),
    [
        (end, effect, entry)
        for end in (RETURN, ELSEWHERE, *ENDS)
        for effect, entry in [
            (a_fact(e.InformationRequested), "information_requested"),
            (a_fact(e.ReportAccepted), "accepted"),
            (a_fact(e.ReportReclassified), "reclassified"),
            (a_fact(e.ReportDispatched), "dispatched"),
            (a_fact(e.InitialResponseGiven), "initial_response"),
            (a_fact(e.FollowUpGiven), "follow_up"),
            (a_fact(e.UnitReturned), "unit_returned"),
            (a_fact(e.ReportClosed, by="admin"), "closed"),
        ]
    ],
)
def test_an_effect_that_the_end_overtook_still_answers_its_command(
    end: BaseModel, effect: BaseModel, entry: str
) -> None:
    """To its sender and to nobody else: a command without an answer would be waited for."""
    run = begun(end)
    run.entries.clear()
    assert run.decide([effect]).lines == [(HSU, entry)]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_of_two_ends_that_crossed_each_sender_is_answered(end: BaseModel) -> None:
    """The institution archived and 00 blocked: both commands took effect before they met."""
    run = begun(end)
    run.entries.clear()
    run.decide([a_fact(e.ReportArchived), a_fact(e.ReportBlocked), a_fact(e.ReportWithdrawn)])
    assert run.lines == [(HSU, "archived"), (NATIONAL, "blocked")]
