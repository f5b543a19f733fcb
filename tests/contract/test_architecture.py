"""The laws that files alone can show: who speaks where, who imports whom, what a stage is."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from deploy.local.services import SERVICES
from shared.contract import topics
from shared.contract.topics import (
    ANSWERED_BY,
    COMMANDS,
    OUTBOX,
    READS,
    REPORTER_MESSAGES,
    STREAM_BYTES_MAX,
    STREAMS,
    SUBMISSIONS,
)
from shared.platform.settings import Settings
from shared.registry.principals import Principals
from shared.rules.decision import decided
from shared.runtime.case_store import CaseStore
from shared.runtime.kafka.client import subscribe
from shared.runtime.kafka.fair_queue import FairQueue
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage

ROOT = Path(__file__).parents[2]
STAGES = sorted(p.name for p in (ROOT / "services").iterdir() if (p / "app.py").exists())
ROOM_FILES = ("__init__.py", "app.py", "store.py", "migrations")
DECISION_FILES = (("rules.py",), ("national.py", "institution.py"), ("inbound.py", "outbound.py"))
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70  # from `def` to the last line, docstring included


class SimpleCase(BaseModel, frozen=True):
    """Nothing."""


def imports(file: Path, *, types: bool = False) -> set[str]:
    """Return the modules that a file imports, those for types only left out unless wanted."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only and not types:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def test_each_stream_has_one_producer_and_a_name_of_its_own() -> None:
    """Law 7; families name their producer by the topic's own name."""
    assert len({s.name for s in STREAMS}) == len(STREAMS)
    said = Counter(
        s.type_of(event) + s.producer
        for s in STREAMS
        if s.domain != "internal"
        for event in s.events
    )
    assert max(said.values()) == 1


def test_every_event_that_is_said_is_read_by_a_stage_or_is_for_the_outside() -> None:
    """An event nobody reads is either an answer to somebody outside or a mistake."""
    outside = {topics.ANSWERS, topics.INBOX, topics.NOTIFICATIONS, topics.DEAD_LETTERS}
    facts_for_the_record = {
        "SubmissionRepeated", "DeadlineMet",
    }  # fmt: skip
    read = {(s.name, e) for reads in READS.values() for s, events in reads.items() for e in events}
    unread = {
        event.__name__
        for stream in STREAMS
        if stream not in outside
        for event in stream.events
        if (stream.name, event) not in read
    }
    assert unread <= facts_for_the_record | {"TimerFired"}


def test_every_command_is_answered_by_a_stage_that_reads_it() -> None:
    """One stage answers each command (law 8)."""
    for command in (*COMMANDS, *REPORTER_MESSAGES):
        answering = ANSWERED_BY[command]
        stages = [s for s in READS if s == answering or s.startswith(answering.rstrip("*"))]
        assert any(command in events for s in stages for events in READS[s].values()), command


def test_core_streams_have_equal_partitions() -> None:
    """One report's events from all streams land on one worker."""
    gateways = {topics.SUBMISSIONS, topics.ANSWERS, topics.OUTBOX, topics.INBOX}
    assert {s.partitions for s in STREAMS if s not in gateways} == {topics.PARTITIONS}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_the_same_files_as_every_other(stage: str) -> None:
    """A newcomer who knows one room knows them all."""
    room = ROOT / "services" / stage
    missing = [name for name in ROOM_FILES if not (room / name).exists()]
    assert missing == []
    assert [files for files in DECISION_FILES if all((room / name).exists() for name in files)]


@pytest.mark.parametrize("stage", STAGES)
def test_no_service_imports_another(stage: str) -> None:
    """What a stage needs of another travels in events."""
    others = {f"services.{name}" for name in STAGES if name != stage}
    for file in (ROOT / "services" / stage).rglob("*.py"):
        found = {m for m in imports(file) if any(m == o or m.startswith(f"{o}.") for o in others)}
        assert found == set(), file


def test_files_and_functions_are_short() -> None:
    """Whatever is longer than a screen or two is about two things, and has a natural split."""
    long = []
    for folder in ("services", "shared", "deploy", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if len(text.splitlines()) > FILE_LINES_MAX:
                long.append(str(file.relative_to(ROOT)))
            long += [
                f"{file.relative_to(ROOT)}: {node.name}"
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
            ]
    assert long == []


@pytest.mark.parametrize(
    ("folder", "above"),
    [
        ("shared", {"services", "deploy", "tests"}),
        ("services", {"deploy", "tests"}),
        ("deploy", {"tests"}),
    ],
)
def test_the_arrows_point_one_way(folder: str, above: set[str]) -> None:
    """Tests know deploy, deploy knows services, services know shared."""
    for file in (ROOT / folder).rglob("*.py"):
        assert {m for m in imports(file) if m.split(".")[0] in above} == set(), file


ROOMS: Final[dict[str, set[str]]] = {
    "shared/contract": set(),
    "shared/platform": set(),
    "shared/worktime": {"shared/contract"},
    "shared/registry": {"shared/contract", "shared/worktime"},
    "shared/vault": {"shared/contract", "shared/platform"},
    "shared/rules": {"shared/contract", "shared/registry"},
    "shared/runtime": {
        "shared/contract", "shared/platform", "shared/registry", "shared/vault", "shared/rules",
    },
    "deploy/local": {"shared"},
    "deploy/docker": {"shared/vault"},
    "deploy/actors": {"shared"},
    "deploy/tools": {"shared", "services", "deploy/actors"},
    "deploy/cli/compute": {"shared"},
    "deploy/cli/terminal": {"shared", "deploy/local"},
    "deploy/cli/clients": {"shared", "deploy/local", "deploy/cli/terminal"},
    "deploy/cli/model": {
        "shared", "services", "deploy/local", "deploy/cli/terminal", "deploy/cli/clients",
    },
    "deploy/cli/views": {"shared", "services", "deploy/cli/terminal", "deploy/cli/model"},
    "deploy/cli/commands": {"shared", "services", "deploy/local", "deploy/tools", "deploy/cli"},
    "deploy/demo": {
        "shared", "deploy/local", "deploy/actors", "deploy/cli/terminal", "deploy/cli/model",
    },
    "deploy/docs": {"shared", "services", "deploy/cli/views"},
}  # fmt: skip
"""Which other rooms each room knows: nothing else, types included."""


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_the_rooms_below(room: str) -> None:
    """Each folder says in one sentence what belongs in it, and every arrow goes one way."""
    allowed = tuple(f"{each}/" for each in {room, *ROOMS[room]})
    for file in (ROOT / room).rglob("*.py"):
        below = [f"{m.replace('.', '/')}/" for m in imports(file, types=True)]
        ours = [path for path in below if re.match(r"(shared|services|deploy)/.", path)]
        assert [path for path in ours if not path.startswith(allowed)] == [], file


def test_every_folder_is_a_room_that_says_what_belongs_in_it() -> None:
    """None stands outside the table of rooms."""
    for folder in ("shared", "deploy", "deploy/cli"):
        rooms = {file.parent for file in (ROOT / folder).glob("*/__init__.py")}
        named = {str(room.relative_to(ROOT)) for room in rooms} - {"deploy/cli", "deploy/registry"}
        assert named <= ROOMS.keys()
    for file in ROOT.glob("[sd]*/**/__init__.py"):
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


def test_no_modules_import_each_other_in_a_circle() -> None:
    """At run time or for types."""
    graph = {
        str(file.relative_to(ROOT)).removesuffix(".py").removesuffix("/__init__"): {
            module.replace(".", "/") for module in imports(file, types=True)
        }
        for folder in ("shared", "services", "deploy")
        for file in (ROOT / folder).rglob("*.py")
    }
    modules = {name: below & graph.keys() for name, below in graph.items()}
    while modules:
        inner = {name for name, below in modules.items() if below} & set().union(*modules.values())
        if inner == modules.keys():
            break
        modules = {name: modules[name] & inner for name in inner}
    assert modules == {}


IMPURE: Final = frozenset({
    "app.py", "store.py", "lookups.py",  # of every stage
    "recompute.py", "snapshot.py",  # the SLA monitor's reads of its own tables
    "attempt.py", "delivery_loop.py", "delivery_slots.py", "name_resolver.py",  # the notifier's
    "file.py", "smtp.py", "webhook.py",  # its senders
})  # fmt: skip
"""The modules of services that may read, write, wait or know the shell; all others are pure."""
PURE: Final = sorted(
    str(file.relative_to(ROOT))
    for file in (ROOT / "services").rglob("*.py")
    if file.name not in IMPURE
)


@pytest.mark.parametrize("name", PURE)
def test_rules_do_no_input_or_output(name: str) -> None:
    """A module that decides imports no client, no clock, no logger, no randomness."""
    file = ROOT / name
    forbidden = {
        "asyncio", "asyncpg", "aiokafka", "faststream", "structlog", "logging", "random",
        "secrets", "time", "os", "socket", "httpx2", "shared.platform", "shared.runtime",
    }  # fmt: skip
    found = {m for m in imports(file) if any(m == f or m.startswith(f"{f}.") for f in forbidden)}
    assert found == set()
    text = file.read_text(encoding="utf-8")
    assert ".now()" not in text
    assert ".utcnow" not in text


def test_every_stage_of_the_table_runs_in_the_local_stack() -> None:
    """And nothing else does."""
    assert {s.name for s in SERVICES} == set(READS)


@pytest.mark.parametrize("stage", sorted(READS))
async def test_every_subscriber_has_the_settings_that_the_shell_needs(stage: str) -> None:
    """At least once from the earliest offset, in batches, static membership, right assignor."""
    broker = KafkaBroker("127.0.0.1:1", apply_types=False)
    names = Principals(frozenset({"sms"}), frozenset({"00", "6308"}))
    subscriber = subscribe(
        broker, stage, Settings(), None, principals=names, fair_queue=FairQueue(500)
    )
    args = subscriber._connection_args
    family = any(s.is_family for s in READS[stage])
    assert subscriber.max_records == 500
    assert args["max_partition_fetch_bytes"] == 2 * STREAM_BYTES_MAX
    assert subscriber.group_id == f"lapor.{stage}"
    assert re.fullmatch(f"{stage}-0-[0-9a-f]{{8}}", args["group_instance_id"])
    assert args["auto_offset_reset"] == "earliest"
    assert args["enable_auto_commit"] is False
    assert args["session_timeout_ms"] == 10_000
    assert args["heartbeat_interval_ms"] == 1_000
    (assignor,) = args["partition_assignment_strategy"]
    assert assignor.name == ("roundrobin" if family else "range")
    of_families = {
        "intake": {SUBMISSIONS.topic("sms")},
        "agencies.in": {OUTBOX.topic("00"), OUTBOX.topic("6308")},
    }
    core = {s.topic() for s in READS[stage] if not s.is_family}
    everything = {*core, *of_families.get(stage, ())}
    assert {t.name for t in subscriber.topics} == (set() if family else everything)
    if family:
        there = everything | {SUBMISSIONS.topic("evil"), OUTBOX.topic("6309"), "lapor.intake.v1"}
        there |= {f"{topic}x" for topic in everything} | {f"x{topic}" for topic in everything}
        assert subscriber.pattern is not None
        pattern = re.compile(subscriber.pattern.broker_address)
        assert {topic for topic in there if pattern.match(topic)} == everything


def test_uvloop_is_not_in_the_lock_file() -> None:
    """With it aiokafka hangs after a broker outage, and uvicorn would take it silently."""
    assert 'name = "uvloop"' not in (ROOT / "uv.lock").read_text(encoding="utf-8")


def test_nothing_names_a_topic_but_the_table() -> None:
    """Law 7: topic names stand in `shared/contract/topics.py` and nowhere else in the code."""
    for folder in ("services", "shared"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name != "topics.py":
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.Constant) and isinstance(node.value, str):
                        is_topic = node.value.startswith("lapor.") and node.value.endswith(".v1")
                        assert not is_topic, f"{file}: {node.value}"


@pytest.mark.parametrize("stage", sorted(READS))
def test_asyncapi_names_every_event_that_a_stage_reads(stage: str) -> None:
    """The page says what the table says."""
    case = CaseStore(case=SimpleCase, is_open=lambda _case: False)
    identify = (lambda _event, _cause: "") if stage in ("intake", "agencies.in") else None
    made: Stage[SimpleCase, None] = Stage(
        stage, case, Path(), lambda *_: decided(None), identify=identify
    )
    document = str(stage_app(Settings(), made).schema.to_specification().to_jsonable())
    for events in READS[stage].values():
        assert [e.__name__ for e in events if f"'{e.__name__}'" not in document] == []
