"""Write sample reports in Indonesian: our own sentences, thousands of different ones, by seed.

The sentences lie in `texts/`: `kategori/*.json` has titles and problems per category id (kinds
B and T are the two classes of complaint, I a question, A a wish), `rangka.json` what people write
around them, `tempat.json` public place names. No name, NIK or phone number of anybody.
"""

import json
import math
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

FOLDER: Final = Path(__file__).parents[1] / "registry" / "sources" / "texts"
TITLE_CHARACTERS_MAX: Final = 170
BODY_CHARACTERS_MAX: Final = 3_000

# domain.md section 4, without the 11.6 % never classified.
_CLASS_SHARES: Final = (("B", 54.5), ("T", 24.2), ("I", 5.4), ("A", 4.3))
KIND_OF_CLASS: Final = {
    "Pengaduan Berkadar Pengawasan": "B",
    "Pengaduan Tidak Berkadar Pengawasan": "T",
    "Permintaan Informasi": "I",
    "Aspirasi": "A",
}
CLASS_OF_KIND: Final = {kind: name for name, kind in KIND_OF_CLASS.items()}
_FRAME: Final = {"B": "pengaduan", "T": "pengaduan", "I": "informasi", "A": "aspirasi"}

# Real bodies: median 353 characters, 95 % below 1,476 (domain.md section 6), as a log-normal.
_LENGTH_MEDIAN: Final = 353
_LENGTH_SIGMA: Final = math.log(1_476 / 353) / 1.645
_LENGTH_MIN: Final = 40
_SMS_LENGTH_MAX: Final = 130
_OWN_SHARE: Final = 0.85  # of a category with problems of its own; the rest are its topic's
_CHARACTERS_PER_PROBLEM: Final = 650  # a long letter has more than one thing to say
_ALSO: Final = ("Selain itu,", "Di samping itu,", "Masalah lainnya,", "Terakhir,")
_WANTED_WEIGHT: Final = 3
FOLDS: Final = 4

Keep = Callable[[str], bool]


class Problem(NamedTuple):
    """One thing to write about: its kind (B, T, I, A), a title and a body, with slots."""

    kind: str
    title: str
    body: str


class TextCategory(NamedTuple):
    """A category of the real system and what there is to write about it."""

    category_id: str
    subject: str
    own: tuple[Problem, ...]
    common: tuple[Problem, ...]


class Text(NamedTuple):
    """A written report and the class it was written as."""

    title: str
    body: str
    report_class: str


def write(category_id: str, seed: int | str, report_class: str | None = None) -> tuple[str, str]:
    """Write the title and body of a report; the same arguments give the same text.

    Raises KeyError for a category id that no text exists for (see `categories`).
    """
    text = compose(category_id, seed, report_class=report_class)
    return text.title, text.body


def compose(
    category_id: str,
    seed: int | str,
    *,
    report_class: str | None = None,
    length: int | None = None,
    region: str = "3204",
    keep: Keep | None = None,
) -> Text:
    """Write a report about a category, in a class, of about a length in characters.

    `region` names whose places are used (`3204` Kabupaten Bandung, `6308` HSU). `keep` limits
    problems (by body) and sentences; KeyError where it leaves no problem.
    """
    dice = random.Random(f"{category_id}/{seed}/{report_class}")  # noqa: S311 - sample texts
    category = categories()[category_id]
    wanted = KIND_OF_CLASS[report_class] if report_class else _drawn_kind(dice)
    problem = _choose(category, wanted, keep or _any, dice)
    aim = length or int(dice.lognormvariate(math.log(_LENGTH_MEDIAN), _LENGTH_SIGMA))
    aim = max(_LENGTH_MIN, min(aim, BODY_CHARACTERS_MAX - 200))
    slots = _slots(category, region, dice)
    sentences = _sentences(category, problem, aim, keep or _any, dice)
    title = _filled(dice.choice(_frame()["judul"]), {**slots, "judul": problem.title}, dice)
    body = _filled(" ".join(sentences), slots, dice)
    haste = _haste(aim, dice)
    return Text(
        _typed(_capital(title), haste / 2, dice)[:TITLE_CHARACTERS_MAX],
        _typed(_reworded(body, dice), haste, dice)[:BODY_CHARACTERS_MAX],
        CLASS_OF_KIND[problem.kind],
    )


@cache
def categories() -> dict[str, TextCategory]:
    """Load every category that texts exist for, by id."""
    found: dict[str, TextCategory] = {}
    for path in sorted((FOLDER / "kategori").glob("*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        common = tuple(Problem(*entry) for entry in file["umum"]["teks"])
        for category_id, entry in file["kategori"].items():
            own = tuple(Problem(*problem) for problem in entry["teks"])
            found[category_id] = TextCategory(category_id, entry["hal"], own, common)
        for category_id, subject in file["umum"]["untuk"].items():
            found[category_id] = TextCategory(category_id, subject, (), common)
    return found


@cache
def frequencies() -> dict[str, int]:
    """Load how often each category id occurs in 2,367 real reports (official exports 2021-24)."""
    content: dict[str, int] = json.loads((FOLDER / "frekuensi.json").read_text(encoding="utf-8"))
    return content


def around(keep: Keep) -> dict[str, tuple[str, ...]]:
    """List the sentences people put around a problem, by kind of text, for training."""
    return {
        kind: tuple(
            one
            for name in ("pembuka", "rincian", "dampak", "riwayat", "permintaan")
            for one in _frame()[name][kind]
            if keep(one)
        )
        for kind in ("pengaduan", "informasi", "aspirasi")
    }


@cache
def _frame() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "rangka.json").read_text(encoding="utf-8"))
    return content


@cache
def _synonyms() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    """List the groups of words that mean the same, each with what finds any of them."""
    return tuple(
        (
            re.compile(
                rf"\b(?:{'|'.join(map(re.escape, sorted(group, key=len, reverse=True)))})\b"
            ),
            tuple(group),
        )
        for group in _frame()["sinonim"]
    )


@cache
def _places(region: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    content = json.loads((FOLDER / "tempat.json").read_text(encoding="utf-8"))
    return tuple(
        (district, tuple(villages)) for district, villages in content[region]["kecamatan"].items()
    )


def fold(sentence: str) -> int:
    """Tell the fold of a problem's body or a sentence, for ever: 0 to FOLDS - 1."""
    return crc32(sentence.encode()) % FOLDS


def _any(_: str) -> bool:
    return True


def _drawn_kind(dice: random.Random) -> str:
    return dice.choices([kind for kind, _ in _CLASS_SHARES], [share for _, share in _CLASS_SHARES])[
        0
    ]


def _choose(category: TextCategory, wanted: str, keep: Keep, dice: random.Random) -> Problem:
    """Prefer the category's own problems, then its topic's; of complaints rather the wanted kind.

    The two kinds of complaint stand in for each other: which one a report is depends on the
    officer more than on the text (15 to 98 % of one kabupaten's complaints, domain.md section 1).
    """
    pools = [category.own, category.common]
    if dice.random() > _OWN_SHARE:
        pools.reverse()
    for kinds in ("BT" if wanted in "BT" else wanted, "BTIA"):
        for pool in pools:
            fit = [one for one in pool if one.kind in kinds and keep(one.body)]
            if fit:
                weights = [_WANTED_WEIGHT if one.kind == wanted else 1 for one in fit]
                return dice.choices(fit, weights)[0]
    raise KeyError(f"no such text for category {category.category_id}")


def _sentences(
    category: TextCategory, problem: Problem, aim: int, keep: Keep, dice: random.Random
) -> list[str]:
    """Put sentences around the problem until the body is about as long as wanted."""
    if aim <= _SMS_LENGTH_MAX:
        return [_shortened(problem.body, aim)]
    frame, kind = _frame(), _FRAME[problem.kind]

    def pool(name: str) -> list[str]:
        fit = [one for one in frame[name][kind] if keep(one)]
        dice.shuffle(fit)
        return fit

    middle = [one for name in ("rincian", "dampak", "riwayat") for one in pool(name)]
    dice.shuffle(middle)
    before, after = pool("pembuka")[:1], pool("permintaan")
    written = [problem.body]
    others = [
        one.body
        for one in category.own
        if one.kind == problem.kind and one != problem and keep(one.body)
    ]
    dice.shuffle(others)
    for also, other in zip(_ALSO, others[: aim // _CHARACTERS_PER_PROBLEM], strict=False):
        written.append(f"{also} {_small(other)}")
    length = sum(map(len, written))
    for number, sentence in enumerate([*before, *after[:1], *middle, *after[1:3]]):
        if length >= aim - len(sentence) / 2:
            break
        written.insert(0, sentence) if number < len(before) else written.append(sentence)
        length += len(sentence) + 1
    if dice.random() < 0.5:  # noqa: PLR2004 - every second writer says thanks
        written.append(dice.choice(frame["penutup"]))
    return written


def _slots(category: TextCategory, region: str, dice: random.Random) -> dict[str, str]:
    fillings = _frame()["isian"]
    district, villages = dice.choice(_places(region))
    drawn = {name: dice.choice(fillings[name]) for name in ("lama", "sejak", "jml", "jam", "rp")}
    return {
        **drawn,
        "titik": dice.choice(fillings["titik"]),
        "di": dice.choice(fillings["di"]),
        "desa": f"Desa {dice.choice(villages)}",
        "kec": dice.choice([district, f"Kecamatan {district}", f"Kec. {district}"]),
        "kecamatan": dice.choice([f"Kecamatan {district}", f"Kec. {district}"]),
        "rt": f"{dice.randint(1, 12):02d}",
        "tgl": f"{dice.randint(1, 28)} {dice.choice(fillings['bulan'])}",
        "hal": category.subject,
        "Hal": _capital(category.subject),
    }


def _filled(text: str, slots: dict[str, str], dice: random.Random) -> str:
    """Fill the slots; a place named a second time in one text is "tersebut" now and then."""
    for _ in range(3):  # a filling may have slots itself: {di} -> {desa} {kecamatan}
        text = re.sub(r"\{(\w+)\}", lambda slot: slots[slot.group(1)], text)
    if dice.random() < 0.5:  # noqa: PLR2004 - half the writers repeat themselves
        head, *rest = text.split(slots["desa"])
        text = slots["desa"].join([head, "desa tersebut".join(rest)]) if rest else head
    return re.sub(r"(?i)\b(di|desa|kecamatan) (?=\1\b)", "", text)


def _shortened(body: str, aim: int) -> str:
    first = re.split(r"(?<=[.?]) ", body)[0]
    return first if len(first) <= 2 * aim else first.split(",")[0]


def _reworded(text: str, dice: random.Random) -> str:
    """Swap some words for others that mean the same."""
    for found, group in _synonyms():
        if dice.random() < 0.5:  # noqa: PLR2004 - an even coin
            text = found.sub(dice.choice(group), text)
    return text


def _haste(aim: int, dice: random.Random) -> float:
    """Draw how much is abbreviated: short messages nearly all, long letters hardly."""
    if aim <= _SMS_LENGTH_MAX:
        return dice.choice([0.4, 0.8, 0.95])
    return dice.choice([0.0, 0.0, 0.0, 0.05, 0.3])


def _typed(text: str, haste: float, dice: random.Random) -> str:
    """Type as people do: abbreviations and small letters in a hurry, capitals in anger."""
    if haste > 0:
        short: dict[str, str] = _frame()["singkatan"]
        text = re.sub(
            r"[a-z]+",
            lambda word: (
                short.get(word.group(), word.group()) if dice.random() < haste else word.group()
            ),
            text,
        )
    if haste > 0.6:  # noqa: PLR2004 - the hurried half of short messages
        return text.lower().replace(",", "")
    return text.upper() if dice.random() < 0.03 else text  # noqa: PLR2004 - some shout


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
