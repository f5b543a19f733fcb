"""Working-time arithmetic for other programs: requests as data, answers as data. Pure.

`timetables.py` makes a timetable of what a request says its calendar is, `requests.py` reads a
request, `operations.py` computes it. What is wrong is refused by name, never guessed.
"""

from deploy.cli.compute.operations import Request, Result, compute
from deploy.cli.compute.requests import FIELDS, RequestReader
from deploy.cli.compute.timetables import InvalidRequest, Timetables, WorkTimetable

__all__ = [
    "FIELDS",
    "InvalidRequest",
    "Request",
    "RequestReader",
    "Result",
    "Timetables",
    "WorkTimetable",
    "compute",
]
