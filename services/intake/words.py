"""Read Indonesian as people type it: one spelling per word, the usual abbreviations written out."""

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
_LETTER_AND_DIGIT: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")

# Short forms met in SMS and chat; measured by eye on our own sample texts, not a closed list.
WRITTEN_OUT: Final = {
    "yg": "yang", "dgn": "dengan", "dg": "dengan", "tdk": "tidak", "gak": "tidak", "ga": "tidak",
    "gk": "tidak", "nggak": "tidak", "ngga": "tidak", "enggak": "tidak", "tak": "tidak",
    "utk": "untuk", "u": "untuk", "krn": "karena", "karna": "karena", "krna": "karena",
    "jln": "jalan", "jl": "jalan", "kec": "kecamatan", "kab": "kabupaten", "kel": "kelurahan",
    "ds": "desa", "kmp": "kampung", "kp": "kampung", "sdh": "sudah", "udah": "sudah",
    "udh": "sudah", "blm": "belum", "blum": "belum", "belom": "belum", "sy": "saya",
    "sya": "saya", "km": "kami", "kmi": "kami", "mhn": "mohon", "mohn": "mohon", "tlg": "tolong",
    "tlong": "tolong", "trims": "terima kasih", "trm": "terima", "mksh": "terima kasih",
    "makasih": "terima kasih", "bgmn": "bagaimana", "gimana": "bagaimana", "gmn": "bagaimana",
    "kpn": "kapan", "dmn": "di mana", "dimana": "di mana", "hrs": "harus", "dpt": "dapat",
    "dr": "dari", "dri": "dari", "pd": "pada", "dlm": "dalam", "jd": "jadi", "jg": "juga",
    "sdg": "sedang", "skrg": "sekarang", "skrng": "sekarang", "bpk": "bapak", "pak": "bapak",
    "bu": "ibu", "org": "orang", "org2": "orang", "byk": "banyak", "bnyk": "banyak",
    "sgt": "sangat", "bgt": "sangat", "banget": "sangat", "lg": "lagi", "lgi": "lagi",
    "aja": "saja", "aj": "saja", "kalo": "kalau", "klo": "kalau", "klw": "kalau", "spt": "seperti",
    "sprti": "seperti", "tp": "tapi", "tpi": "tapi", "bs": "bisa", "bsa": "bisa", "thn": "tahun",
    "bln": "bulan", "hr": "hari", "mgg": "minggu", "tgl": "tanggal",
    "pemkab": "pemerintah kabupaten", "infonya": "informasinya", "info": "informasi",
    "sampe": "sampai", "kades": "kepala desa", "bgs": "bagus",
    "gmana": "bagaimana", "knp": "kenapa", "knapa": "kenapa", "jgn": "jangan", "trs": "terus",
    "msh": "masih", "masi": "masih", "sblm": "sebelum", "stlh": "setelah", "ttg": "tentang",
    "pkm": "puskesmas", "rmh": "rumah", "lbh": "lebih", "dll": "dan lain lain",
}  # fmt: skip


def words(text: str) -> tuple[str, ...]:
    """Split a text into lower-case words without accents' variants, short forms written out.

    Total: any text gives words, the empty text none. Digits are words of their own.
    """
    # twice: casefolding may undo the normal form, and normalising bring back a capital
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).casefold()
    split: list[str] = []
    for word in _WORD.findall(plain):
        if word in WRITTEN_OUT:
            split.extend(WRITTEN_OUT[word].split())
        elif word.isalpha() or word.isdigit():
            split.append(word)
        else:
            for part in _LETTER_AND_DIGIT.split(word):
                split.extend(WRITTEN_OUT.get(part, part).split())
    return tuple(split)


def report_words(title: str, body: str) -> tuple[str, ...]:
    """Split a report into words; read once, they serve the fingerprint and the suggestions."""
    return words(f"{title} \n {body}")
