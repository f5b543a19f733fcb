"""Registries of the tests' own, which may grow while stages run."""

import shutil
from pathlib import Path

from shared.registry import PACKAGED


def a_registry(folder: Path) -> Path:
    """Copy the shipped files."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__", "*.md")
    return Path(shutil.copytree(PACKAGED, folder, ignore=ignored))


def add_institution(folder: Path, code: str) -> None:
    """Add an institution: the file of 6308 under another code."""
    like = (folder / "institutions" / "6308.toml").read_text(encoding="utf-8")
    new = like.replace('"6308"', f'"{code}"').replace("Hulu Sungai Utara", f"Uji {code}")
    (folder / "institutions" / f"{code}.toml").write_text(new, encoding="utf-8")


def add_channel(folder: Path, name: str) -> None:
    """Add a channel."""
    file = folder / "channels.toml"
    entry = f'\n[[channel]]\nname = "{name}"\nabout = "test"\n'
    file.write_text(file.read_text(encoding="utf-8") + entry, encoding="utf-8")
