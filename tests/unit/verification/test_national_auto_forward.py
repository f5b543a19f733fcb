"""What the policy `auto` forwards without an officer, and what a forward carries."""

from dataclasses import replace

import pytest
from pydantic import BaseModel

from services.verification.national import NationalCase
from shared.contract.events import DuplicateSuspected, ReportClass, ReportForwarded, Suggestion
from tests.support.builders import (
    BANDUNG,
    HSU,
    NATIONAL,
    REPORT,
    a_clear_report,
    a_forward,
    a_report,
    a_screening,
    a_similar,
    a_suggestion,
)
from tests.support.history import History
from tests.unit.verification.histories import POLICY, national

AUTO = [
    ("addressed, and the text agrees", a_clear_report(), "addressed_and_agreed"),
    (
        "addressed, and the text agrees a little",
        a_clear_report(screening=a_screening(institution=a_suggestion(HSU, 0.3))),
        "addressed_and_agreed",
    ),
    ("only the text says it, clearly", a_report(screening=a_screening()), "suggested"),
    (
        "the text clearly says another than the address",
        a_clear_report(institution=BANDUNG),
        "suggested",
    ),
    (
        "the subject is the reporter's own",
        a_clear_report(category_id="3", screening=a_screening(category=None)),
        "addressed_and_agreed",
    ),
    (
        "at the threshold",
        a_report(screening=a_screening(institution=a_suggestion(HSU, 0.8))),
        "suggested",
    ),
    (
        "below the threshold",
        a_report(screening=a_screening(institution=a_suggestion(HSU, 0.79))),
        None,
    ),
    (
        "the text says nothing but the address itself",
        a_clear_report(screening=a_screening(institution=a_suggestion(HSU, 0.6, "claimed"))),
        None,
    ),
    ("nothing is suggested", a_clear_report(screening=a_screening(institution=None)), None),
    ("nobody finds a subject", a_clear_report(screening=a_screening(category=None)), None),
    (
        "an institution nobody knows",
        a_report(screening=a_screening(institution=a_suggestion("9999"))),
        None,
    ),
    (
        "the national admin itself",
        a_report(screening=a_screening(institution=a_suggestion(NATIONAL))),
        None,
    ),
]


@pytest.mark.parametrize(("what", "report", "why"), AUTO)
def test_auto_forwards_what_is_clear_and_nothing_else(
    what: str, report: BaseModel, why: str | None
) -> None:
    """Each condition of the policy `auto`, alone."""
    history = national([report])

    forwards = [e for _, e in history.published if isinstance(e, ReportForwarded)]
    assert [(f.institution, f.holding, f.by, f.why, f.final) for f in forwards] == (
        [(HSU, 1, "auto", why, False)] if why else []
    ), what
    assert history.status == ("forwarded" if why else "waiting"), what


def test_without_auto_everything_waits_for_an_officer() -> None:
    """The operator may switch the policy off."""
    history = national([a_clear_report()], replace(POLICY, is_automatic=False))

    assert (history.status, history.published) == ("waiting", [])


def test_a_report_like_an_open_one_waits_for_an_officer() -> None:
    """However clear it is."""
    similar = (a_similar(),)
    history = national([a_clear_report(screening=a_screening(similar=similar))])

    assert history.published == [
        ("record-1", DuplicateSuspected(report_id=REPORT, similar=similar)),
    ]
    assert history.status == "waiting"


def screened(**suggestions: Suggestion) -> History[NationalCase]:
    """Decide a report with these suggestions."""
    return national([a_report(screening=a_screening(**suggestions))])


def test_a_forward_carries_what_is_known_of_the_report() -> None:
    """The reporter's own class, category and place, else a sure suggestion of valid form."""
    own = national([
        a_report(
            report_class=ReportClass.ASPIRATION, category_id="3", place_code="63.08",
            screening=a_screening(report_class=a_suggestion(ReportClass.SUPERVISED)),
        ),
        a_forward(),
    ])  # fmt: skip
    suggested = screened(report_class=a_suggestion(ReportClass.SUPERVISED))
    unsure = screened(category=a_suggestion("27", 0.4), report_class=a_suggestion("Aspirasi", 0.4))
    invalid = screened(category=a_suggestion("roads"), report_class=a_suggestion("Keluhan"))

    carried = []
    for history in (own, suggested, unsure, invalid):
        forwarded = history.published[0][1]
        assert isinstance(forwarded, ReportForwarded)
        carried.append((forwarded.report_class, forwarded.category_id, forwarded.place_code))
    assert carried == [
        (ReportClass.ASPIRATION, "3", "63.08"),
        (ReportClass.SUPERVISED, "27", None),
        (None, None, None),
        (None, None, None),
    ]
