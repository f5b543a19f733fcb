"""Working-time arithmetic for other programs: requests as data, answers as data. Pure.

`calendars.py` makes a timetable of what a request says its calendar is, `reading.py` reads a
request, `operations.py` computes it. What is wrong is refused by name, never guessed.
"""

from shared.compute.calendars import Refused, Timetable, Timetables
from shared.compute.operations import Request, Result, compute
from shared.compute.reading import FIELDS, Reader

__all__ = ["FIELDS", "Reader", "Refused", "Request", "Result", "Timetable", "Timetables", "compute"]
