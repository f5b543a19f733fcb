"""What every benchmark gives: figures with what stood beside them, the machine, and the table."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil
from rich.console import Console
from rich.table import Table

out: Final = Console(width=150)


@dataclass(frozen=True)
class Result:
    """A figure, its unit, what stood beside it, and what was to be reached, if it was."""

    what: str
    figure: float
    unit: str
    beside: str = ""
    ratio: float | None = None
    target: str = ""
    is_met: bool | None = None


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share lies; not a number where there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def machine() -> dict[str, object]:
    """Describe the machine that the figures belong to."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_before": os.getloadavg(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def show(results: Iterable[Result], described: dict[str, object]) -> None:
    """Print the table."""
    table = Table(
        title=f"LAPOR pipeline on {described['cores']} cores ({described['processor']}), "
        f"load {described['load_before']}"
    )
    for heading in ("what", "figure", "unit", "beside it", "ratio", "to reach", ""):
        table.add_column(heading, justify="right" if heading in ("figure", "ratio") else "left")
    for r in results:
        ratio = "" if r.ratio is None else f"{r.ratio:.2f}"
        met = {None: "", True: "met", False: "missed"}[r.is_met]
        digits = 3 if r.figure < 10 else 0
        table.add_row(r.what, f"{r.figure:,.{digits}f}", r.unit, r.beside, ratio, r.target, met)
    out.print(table)


def write(file: Path, results: Iterable[Result], described: dict[str, object]) -> None:
    """Write the figures and their machine as JSON."""
    written = {"machine": described, "results": [asdict(r) for r in results]}
    file.write_text(json.dumps(written, indent=2) + "\n")
