"""What people say when they ask, wish or accuse: the rules that decide a report's class first.

A rule matches a text that has one of its words and, if the rule has a pattern, fits that; so most
patterns are never tried. Its reason is its own name, never what matched: reasons travel in the
clear, and a pattern with room for any word would carry a word of the report out of the gateway
(law 6). Weights are log-odds, set by hand; `deploy.tools.screening.train` prints what they bring.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from shared.contract.events import ReportClass

_STRONG: Final = 3.0
_WEAK: Final = 1.5


class PhraseRule(NamedTuple):
    """One sign of a class; words and pattern are in the spelling that `words` gives."""

    reason: str
    report_class: ReportClass
    weight: float
    words: frozenset[str]
    pattern: re.Pattern[str] | None


def _rule(
    reason: str, report_class: ReportClass, weight: float, words: str, pattern: str | None = None
) -> PhraseRule:
    compiled = None if pattern is None else re.compile(rf"\b(?:{pattern})\b")
    return PhraseRule(reason, report_class, weight, frozenset(words.split()), compiled)


RULES: Final = (
    _rule("mohon informasi", ReportClass.INFORMATION, _STRONG, "informasi penjelasan keterangan",
          r"(?:mohon|minta|meminta|butuh|perlu|ingin) (?:\w+ )?"
          r"(?:informasi|penjelasan|keterangan)"),
    _rule("mau bertanya", ReportClass.INFORMATION, _STRONG, "tanya bertanya menanyakan tahu",
          r"(?:mau|ingin|hendak|numpang|izin|ijin) (?:tanya|bertanya|menanyakan|tahu)"),
    _rule("bagaimana cara", ReportClass.INFORMATION, _STRONG, "bagaimana",
          r"bagaimana (?:cara|prosedur|alur|syarat|proses|ketentuan)\w*"),
    _rule("apa syaratnya", ReportClass.INFORMATION, _STRONG, "apa",
          r"apa saja (?:syarat|persyaratan|berkas|dokumen)\w*|(?:syarat|persyaratan)\w* apa"),
    _rule("apakah", ReportClass.INFORMATION, _WEAK, "apakah",
          r"apakah (?:ada|bisa|boleh|masih|benar|perlu|harus|wajib)"),
    _rule("ke mana saya", ReportClass.INFORMATION, _WEAK, "mana siapa",
          r"(?:ke mana|kepada siapa) saya"),
    _rule("kapan", ReportClass.INFORMATION, _WEAK, "kapan",
          r"kapan (?:\w+ ){0,4}(?:cair|dibuka|dibagikan|dimulai|dilaksanakan|disalurkan)"),
    _rule("saran", ReportClass.ASPIRATION, _STRONG,
          "saran usul usulan masukan aspirasi mengusulkan menyarankan alangkah"),
    _rule("sebaiknya", ReportClass.ASPIRATION, _WEAK, "sebaiknya seyogianya hendaknya"),
    _rule("lebih baik", ReportClass.ASPIRATION, _WEAK, "baik harapan",
          r"lebih baik (?:jika|kalau|bila|apabila)|harapan kami"),
    _rule("pungutan liar", ReportClass.SUPERVISED, _STRONG, "pungli suap menyuap dipungut"),
    _rule("minta uang", ReportClass.SUPERVISED, _STRONG, "uang liar",
          r"pungutan liar|diminta uang|(?:minta|meminta) uang|uang pelicin"),
    _rule("penyalahgunaan", ReportClass.SUPERVISED, _STRONG,
          "oknum penyalahgunaan menyalahgunakan diselewengkan penyelewengan dikorupsi"),
    _rule("dipersulit", ReportClass.SUPERVISED, _WEAK,
          "calo percaloan dipersulit mempersulit titipan nepotisme"),
    _rule("pilih kasih", ReportClass.SUPERVISED, _WEAK, "pilih", r"pilih kasih|tebang pilih"),
)  # fmt: skip


def matching_rules(words: Sequence[str]) -> Iterator[PhraseRule]:
    """Yield the rules that match a text's words, in the order of the table."""
    distinct = frozenset(words)
    text = " ".join(words)
    for rule in RULES:
        if rule.words.isdisjoint(distinct):
            continue
        if rule.pattern is None or rule.pattern.search(text):
            yield rule
