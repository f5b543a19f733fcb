"""File systems of their own for the database and the broker; it takes root's right to mount."""

import subprocess
from pathlib import Path
from typing import Final

from deploy.local.paths import Home
from deploy.local.postgres import own_folder

MIB_MAX: Final = 1_024  # in memory, and only as much as is written


def mount(home: Home) -> bool:
    """Give database and broker a file system each; return whether it was done.

    The root of a container often may not.
    """
    own_folder(home)
    return all(map(_mount, (home.postgres, home.kafka)))


def _mount(folder: Path) -> bool:
    found = folder.stat()
    options = f"size={MIB_MAX}m,mode=0700,uid={found.st_uid},gid={found.st_gid}"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder.resolve())],
            check=False, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        return False
    return done.returncode == 0


def unmount(home: Home, *, is_kept: bool) -> None:
    """Take the file systems away; what lies in them is moved below the home, or is gone."""
    for folder in (home.postgres.resolve(), home.kafka):
        if not folder.is_mount():
            continue
        copy = folder.with_name(f"{folder.name}.kept")
        if is_kept:
            subprocess.run(["cp", "-a", str(folder), str(copy)], check=True, capture_output=True)
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)
        if is_kept:
            folder.rmdir()
            copy.rename(folder)
