"""The batches that a Java client wrote (`tests/golden/batches`), by name."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "golden" / "batches"
PACKED: Final = ("gzip", "snappy", "lz4", "zstd")
PLAIN: Final = (
    *(f"several-{codec}" for codec in ("none", *PACKED)),
    *(f"{kind}-{codec}" for kind in ("many", "huge") for codec in PACKED),
)
TRANSACTIONS: Final = ("transaction-none", "transaction-snappy")
NAMES: Final = (*PLAIN, *TRANSACTIONS)
_COUNTS: Final = {"several": 5, "many": 300, "huge": 1, "transaction": 5}


def path_of(name: str) -> Path:
    """Return where a batch lies."""
    return FOLDER / f"{name}.batch"


def batch(name: str) -> bytes:
    """Return a batch as it was sent."""
    return path_of(name).read_bytes()


def count(name: str) -> int:
    """Return how many records it holds; their ids are the name and a number from 0."""
    return _COUNTS[name.partition("-")[0]]
