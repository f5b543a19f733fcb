"""The command line where nothing runs beside it: what it can say, and what it says to do."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from services.notifier.senders.signature import receiver_secret
from tests.integration.all_stages import LAPOR, looked, ran
from tests.integration.bad_lines import UNADDRESSED, jsonl

pytestmark = pytest.mark.integration


def test_without_an_address_the_way_to_one_is_told(tmp_path: Path) -> None:
    """Neither a variable nor a running stack."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LAPOR_")}
    said = ran("case", "show", "K7QF2M9XTD3A", env={**env, "LAPOR_HOME": str(tmp_path)})
    assert said.code == 1
    assert "lapor up" in said.err
    assert "LAPOR_KAFKA" in said.err


def test_a_kafka_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """With the command that looks into it."""
    env = {**os.environ, "LAPOR_KAFKA": "127.0.0.1:1", "LAPOR_HOME": str(tmp_path)}
    for said in (
        ran("submit", "-", env=env, stdin=jsonl(UNADDRESSED)),
        looked("agency", "listen", "6308", env=env),
        looked("topics", "diff", env=env),
    ):
        assert said.code == 1
        assert "Kafka does not answer" in said.err
        assert "lapor status" in said.err


def test_the_table_of_streams_is_listed_without_a_broker(tmp_path: Path) -> None:
    """For people and for programs."""
    env = {**os.environ, "LAPOR_HOME": str(tmp_path)}
    rows = json.loads(looked("topics", "list", "--json", env=env).out)
    intake = next(row for row in rows if row["stream"] == "lapor.intake.v1")
    assert intake["producer"] == "intake"
    assert "verification.national" in intake["readers"]
    assert "ReportReceived" in intake["events"]
    assert (intake["partitions"], intake["retention_days"]) == (12, None)
    assert "lapor.intake.v1" in looked("topics", "list", env=env).out


def test_a_program_gets_each_answer_before_it_asks_again() -> None:
    """`lapor deadline compute` reads standard input where no file is named, line by line."""
    asked = {"op": "is_working_day", "institution": "6308", "date": "2026-03-19"}
    command = [str(LAPOR), "deadline", "compute"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for number in (1, 2):
            program.stdin.write(jsonl({"id": number, **asked}) + b"\n")
            program.stdin.flush()
            assert json.loads(program.stdout.readline())["id"] == number
        program.stdin.close()
        assert program.wait(timeout=30) == 0


def test_the_secret_of_a_webhooks_receiver_is_printed_and_no_other(tmp_path: Path) -> None:
    """One for each channel and host, however the host is written; troubles show no secret."""
    env = {**os.environ, "LAPOR_HOME": str(tmp_path)}
    variable = "LAPOR_NOTIFIER_WEBHOOK_SECRET"
    with_secret = {**env, variable: "rahasia-" * 4}
    pairs = (("api", "kanal.example"), ("api", "Kanal.Example"), ("sms", "kanal.example"))
    said = [ran("webhook", "secret", *pair, env=with_secret) for pair in pairs]
    secrets = [each.out.strip() for each in said]
    assert secrets[0] == secrets[1] == receiver_secret("rahasia-" * 4, "api", "kanal.example")
    assert secrets[2] not in secrets[:2]
    for arguments, given, told in (
        (("api", "kanal.example"), "", variable),
        (("api", "kanal.example"), "terlalu-pendek", "32 characters"),
        (("api", "https://kanal.example/x"), "rahasia-" * 4, "no host"),
        (("Bukan Kanal", "kanal.example"), "rahasia-" * 4, "no channel"),
    ):
        wrong = ran("webhook", "secret", *arguments, env={**env, variable: given})
        assert (wrong.code, told in wrong.err, "terlalu-pendek" in wrong.err) == (1, True, False)
