"""Who speaks, by the registry's files; and how a change of those is noticed."""

import shutil
from pathlib import Path

import pytest

from shared.contract.topics import ANSWERS, INBOX, INTAKE, OUTBOX, SUBMISSIONS
from shared.registry import PACKAGED, RegistryError
from shared.registry.principals import Folder, Principals, principals
from tests.integration.registries import a_registry, add_channel, add_institution

NAMED = '[[channel]]\nname = "{}"\nabout = "x"\n'
HEAD = 'valid_from = 2023-01-01\nsource = "test"\n'


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """Copy the shipped files."""
    return a_registry(tmp_path / "registry")


def test_a_family_has_one_topic_for_each_producer() -> None:
    """Other streams have their own."""
    known = Principals(frozenset({"sms", "cli"}), frozenset({"6308"}))
    assert known.topics([SUBMISSIONS, INTAKE]) == (
        "lapor.channel.cli.submissions.v1",
        "lapor.channel.sms.submissions.v1",
        "lapor.intake.v1",
    )
    assert known.topics([OUTBOX, INBOX]) == (INBOX.topic("6308"), OUTBOX.topic("6308"))
    assert known.topics([ANSWERS]) == (ANSWERS.topic("cli"), ANSWERS.topic("sms"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[channel]]\nname = ", "correct the TOML"),
        ("", "at least one"),
        ("channel = 3\n", "at least one"),
        ('[[channel]]\nabout = "x"\n', "channels.toml channel 1: name: Field required"),
        (NAMED.format("a.b"), "channels.toml channel 1: name: String should match pattern"),
        (NAMED.format(".*"), "channels.toml channel 1: name: String should match pattern"),
        (NAMED.format("a") * 2, "channels.toml: channel a occurs 2 times"),
        (NAMED.format("a" * 41), "channels.toml channel 1: name: String should match pattern"),
        ("channel = []\n", "at least one"),
    ],
)
def test_channels_that_cannot_be_used_are_told(registry: Path, text: str, said: str) -> None:
    """A name is part of a topic's: what it may be is said."""
    (registry / "channels.toml").write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(RegistryError) as told:
        principals(registry)
    assert said in str(told.value)


def test_a_missing_file_is_told(registry: Path) -> None:
    """By its name."""
    (registry / "channels.toml").unlink()
    with pytest.raises(RegistryError, match=r"channels\.toml: missing"):
        principals(registry)


def test_another_folder_is_used_if_the_environment_names_it(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the release's if not."""
    add_channel(registry, "telegram")
    assert "telegram" not in principals().channels
    monkeypatch.setenv("LAPOR_REGISTRY", str(registry))
    assert "telegram" in principals().channels
    monkeypatch.setenv("LAPOR_REGISTRY", "")
    assert principals() == principals(PACKAGED)


def test_another_producer_is_noticed_once_nobody_touches_the_files(registry: Path) -> None:
    """Files come one after another; each look that finds a change waits for another look."""
    folder = Folder(registry, principals(registry))
    assert folder.look() is None
    add_institution(registry, "3171")
    assert folder.look() is None
    add_channel(registry, "telegram")
    assert folder.look() is None
    found = folder.look()
    assert found is not None
    assert "3171" in found.institutions
    assert "telegram" in found.channels


def test_files_that_cannot_be_used_change_nothing_until_they_can(registry: Path) -> None:
    """What was found in them, which may be somebody's address, is not told."""
    folder = Folder(registry, principals(registry))
    new = registry / "institutions" / "3171.toml"
    like = (registry / "institutions" / "6308.toml").read_text(encoding="utf-8")
    broken = like.replace('"6308"', '"3171"').replace('email = "lapor@hsu.example"', "email = 3")
    new.write_text(broken.replace('name = "Pem', 'nome = "rahasia'), encoding="utf-8")
    assert [folder.look(), folder.look()] == [None, None]
    assert "3171.toml" in folder.problem
    assert "rahasia" not in folder.problem
    assert folder.look() is None
    assert folder.problem != ""
    new.unlink()
    add_institution(registry, "3171")
    looks = [folder.look(), folder.look()]
    assert folder.problem == ""
    assert looks[1] is not None


def test_a_change_that_names_nobody_else_is_none(registry: Path) -> None:
    """A process started with the same producers goes on: a unit, a limit, a new time of a file."""
    folder = Folder(registry, principals(registry))
    (registry / "policy.toml").touch()
    file = registry / "units" / "6308.csv"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert [folder.look() for _ in range(4)] == [None] * 4


def test_a_folder_that_is_gone_changes_nothing(registry: Path) -> None:
    """Such as a mount that is away for a while."""
    folder = Folder(registry, principals(registry))
    shutil.rmtree(registry)
    assert [folder.look() for _ in range(3)] == [None] * 3
    assert folder.problem
