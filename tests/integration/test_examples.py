"""The examples of the two developers' pages, run as they stand there."""

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.all_stages import Pipeline, whole_pipeline
from tests.integration.stack import Stack
from tests.integration.workers import wait_until

pytestmark = pytest.mark.integration
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    """Yield the whole pipeline, once for this module."""
    with whole_pipeline(stack) as running:
        yield running


def test_the_examples_take_a_report_from_a_channel_to_its_unit(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """The channel is answered, and again when it sends again; the agency accepts."""
    adapter = [sys.executable, str(EXAMPLES / "channel_adapter.py")]
    elsewhere = {"env": pipeline.env, "cwd": tmp_path}
    first = json.loads(subprocess.check_output(adapter, timeout=60, **elsewhere))  # type: ignore[call-overload]
    again = json.loads(subprocess.check_output(adapter, timeout=60, **elsewhere))  # type: ignore[call-overload]
    assert (first["outcome"], again["outcome"]) == ("received", "repeated")
    assert first["tracking_number"] == again["tracking_number"]

    told = tmp_path / "told"
    with told.open("wb") as output:
        agency = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "agency.py")],
            env={**os.environ, "LAPOR_KAFKA": pipeline.stack.kafka},
            cwd=tmp_path, stdout=output, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            wait_until(lambda: "'entry': 'dispatched'" in told.read_text(), "it was dispatched")
            agency.send_signal(signal.SIGINT)
            _, err = agency.communicate(timeout=20)
        finally:
            agency.kill()
    assert err.splitlines()[-1] == b"KeyboardInterrupt"
    entries = [ast.literal_eval(line) for line in told.read_text().splitlines()]
    mine = [x["entry"] for x in entries if x["report_id"] == first["report_id"]]
    assert [x for x in mine if not x.startswith("deadline")] == [
        "report_to_verify", "accepted", "dispatched",
    ]  # fmt: skip
    shown = json.loads(pipeline.lapor("case", "show", first["tracking_number"], "--json").out)
    assert shown["status"].startswith("Terdisposisi ke ")
