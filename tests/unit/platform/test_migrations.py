"""Which files are migrations, in which order, and what of a file counts."""

import tomllib
from pathlib import Path

import pytest

from deploy.cli.commands.schema import schemas
from shared.platform.migrations import RELEASE, read_migrations

ROOT = Path(__file__).parents[3]


def folder(parent: Path, **files: str) -> Path:
    """Write migrations of a component, by the name of the file without its ending."""
    made = parent / "stage" / "migrations"
    made.mkdir(parents=True)
    for name, text in files.items():
        (made / f"{name}.sql").write_text(text)
    return made


def test_migrations_come_in_the_order_of_their_components_and_numbers(tmp_path: Path) -> None:
    """All of one component before the next, 10 after 9."""
    names = [f"{number:04}_step" for number in range(1, 12)]
    one = folder(tmp_path / "one", **dict.fromkeys(names, "SELECT 1"))
    other = folder(tmp_path / "other", **{"0001_last": ""})

    read = read_migrations(one, other)

    assert [str(m) for m in read] == [*(f"stage/{name}" for name in names), "stage/0001_last"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param((), id="none"),
        pytest.param(("0002_second",), id="without the first"),
        pytest.param(("0001_first", "0003_third"), id="a gap"),
        pytest.param(("0001_one", "0001_other"), id="a number twice"),
        pytest.param(("1_first",), id="a short number"),
        pytest.param(("0001-first",), id="another name"),
    ],
)
def test_files_without_an_order_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Two engineers who took the same number learn it from the first test that runs."""
    with pytest.raises(ValueError, match="migration"):
        read_migrations(folder(tmp_path, **dict.fromkeys(names, "SELECT 1")))


@pytest.mark.parametrize(
    ("text", "is_compatible"),
    [
        ("-- compatible: yes\nSELECT 1", True),
        ("-- Why.\n-- compatible: yes\nSELECT 1", True),
        ("-- compatible: no\nSELECT 1", False),
        ("SELECT 1", False),
    ],
)
def test_a_header_says_whether_older_releases_may_go_on(
    tmp_path: Path, text: str, *, is_compatible: bool
) -> None:
    """Without it they may not, which is safe."""
    (migration,) = read_migrations(folder(tmp_path, **{"0001_first": text}))

    assert migration.is_compatible is is_compatible


def test_a_header_that_says_neither_is_refused(tmp_path: Path) -> None:
    """It was meant to say something."""
    with pytest.raises(ValueError, match="compatible: yes"):
        read_migrations(folder(tmp_path, **{"0001_first": "-- compatible: perhaps"}))


def test_remarks_and_white_space_are_no_part_of_the_digest(tmp_path: Path) -> None:
    """They may be mended; a statement may not."""
    texts = ["SELECT 1;", "-- Why.\nSELECT\n  1; -- one", "SELECT 2;"]
    same, remarked, other = (
        read_migrations(folder(tmp_path / str(n), **{"0001_first": text}))[0].digest
        for n, text in enumerate(texts)
    )

    assert same == remarked != other


def test_every_schema_of_the_pipeline_has_its_migrations() -> None:
    """Nine stages and the vault; a stage's begin with the runtime's."""
    migrations = schemas()

    assert len(migrations) == 10
    assert [str(m) for m in migrations["vault"]] == ["vault/0001_report_keys"]
    assert {m[0].component for name, m in migrations.items() if name != "vault"} == {"runtime"}
    assert migrations["agencies_in"] == migrations["agencies_out"]


def test_the_recorded_release_is_the_projects() -> None:
    """The images hold no pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == RELEASE
