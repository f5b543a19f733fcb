"""The registry: who the institutions are, what their units, rules, limits and calendars are.

Data in `deploy/registry/`, read once at start and checked; everything here is immutable and pure.
"""

from shared.registry.changes import Change, problems_of
from shared.registry.directory import Directory
from shared.registry.files import RegistryError
from shared.registry.limit import Limit
from shared.registry.load import PACKAGED, folder, load
from shared.registry.models import (
    NATIONAL,
    Category,
    Contact,
    Institution,
    LadderStep,
    Limits,
    Place,
    Policy,
    Rule,
    Topic,
    Unit,
)
from shared.registry.registry import Registry, UnknownCode

__all__ = [
    "NATIONAL",
    "PACKAGED",
    "Category",
    "Change",
    "Contact",
    "Directory",
    "Institution",
    "LadderStep",
    "Limit",
    "Limits",
    "Place",
    "Policy",
    "Registry",
    "RegistryError",
    "Rule",
    "Topic",
    "Unit",
    "UnknownCode",
    "folder",
    "load",
    "problems_of",
]
