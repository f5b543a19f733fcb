"""Write the parts of the documents that come from the code: `python -m deploy.docs.generate`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from deploy.docs import tables
from shared.contract.topics import ANSWERED_BY, FOREVER, READS, STREAMS, kebab

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"


def streams() -> str:
    """Return the table of streams as Markdown."""
    lines = ["| Stream | Producer | Readers | Retention |", "|---|---|---|---|"]
    for stream in STREAMS:
        readers = [stage for stage, reads in READS.items() if stream in reads]
        if stream.domain == "internal":
            continue
        retention = (
            "for ever" if stream.retention_days == FOREVER else f"{stream.retention_days} days"
        )
        name = stream.name.replace("{producer}", f"<{_producer_of(stream.name)}>")
        consumers = ", ".join(readers) or "outside"
        producers = ", ".join((stream.producer, *stream.co_producers))
        lines.append(f"| `{name}` | {producers} | {consumers} | {retention} |")
    return "\n".join(lines)


def commands() -> str:
    """Return which stage answers which message."""
    lines = ["| Message | Answered by |", "|---|---|"]
    lines += [f"| `{kebab(c.__name__)}` | {stage} |" for c, stage in ANSWERED_BY.items()]
    return "\n".join(lines)


def _producer_of(name: str) -> str:
    return "name" if ".channel." in name else "code"


GENERATED: Final[Mapping[str, Callable[[], str]]] = {
    "streams": streams,
    "commands": commands,
    **tables.PAGES,
}


def renewed(text: str) -> str:
    """Return a document with its generated parts as the code has them now."""
    for name, write in GENERATED.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, separator, rest = text.partition(begin)
        if separator:
            text = before + f"{begin}\n{write()}\n{end}" + rest.partition(end)[2]
    return text


def main() -> None:
    """Rewrite the documents that have generated parts."""
    for file in (README, *sorted((ROOT / "docs").glob("*.md"))):
        text = file.read_text(encoding="utf-8")
        if renewed(text) != text:
            file.write_text(renewed(text), encoding="utf-8")
            print(f"rewrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
