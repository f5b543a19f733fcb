"""What a reason code asks of the person who gets it: Indonesian and English, one line each.

A code is for programs and never changes; its advice may be worded better at any time.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.contract.events import Language


class Fault(NamedTuple):
    """Why a gateway says no: a reason code, and the fields concerned, never their contents."""

    reason: str
    fields: str | None = None


class Advice(NamedTuple):
    """One line in each of the two languages, that says what to do next."""

    id: str
    en: str


_RECORDS: Final = {  # the record could not be read at a gateway
    "empty_value": Advice(
        "Pesan tidak berisi apa pun; kirim ulang dengan isi.",
        "The record has no value; send it again with one.",
    ),
    "not_json": Advice(
        "Isi pesan bukan JSON yang sah (UTF-8); perbaiki lalu kirim ulang.",
        "The value is not valid JSON in UTF-8; correct it and send it again.",
    ),
    "invalid_fields": Advice(
        "Ada isian yang kurang atau salah; perbaiki isian yang disebut.",
        "Fields are missing or wrong; correct the fields that are named.",
    ),
    "missing_header": Advice(
        "Tajuk CloudEvents kurang; sertakan ce_id, ce_type, ce_source, dan ce_specversion.",
        "CloudEvents headers are missing; send ce_id, ce_type, ce_source and ce_specversion.",
    ),
    "unknown_type": Advice(
        "ce_type tidak dikenal pada topik ini; lihat daftar jenis pesan.",
        "This topic does not take that ce_type; see the list of types.",
    ),
    "too_large": Advice(
        "Pesan terlalu besar; persingkat, dan kirim lampiran sebagai tautan.",
        "The record is too large; shorten it, and send attachments as links.",
    ),
    "record_unreadable": Advice(
        "Catatan ini tidak tersusun sebagaimana mestinya; periksa program pengirim.",
        "The record is not put together as Kafka's format says; check the sending program.",
    ),
    "batch_unreadable": Advice(
        "Kumpulan pesan ini tidak dapat dibuka; kirim dengan compression.type none, gzip, snappy, "
        "lz4, atau zstd.",
        "The record batch cannot be unpacked; send with compression.type none, gzip, snappy, lz4 "
        "or zstd.",
    ),
    "batch_too_large": Advice(
        "Kumpulan pesan ini melebihi 8 MiB atau 20.000 pesan setelah dibuka; perkecil batch.size "
        "lalu kirim ulang semuanya.",
        "The record batch unpacks to more than 8 MiB or 20,000 records; make batch.size smaller "
        "and send all of it again.",
    ),
    "missing_message_id": Advice(
        "Tajuk ce_id tidak ada; beri setiap pesan tanda pengenal yang unik.",
        "The header ce_id is missing; give each message an id of its own.",
    ),
    "message_id_invalid": Advice(
        "ce_id harus berupa teks tampak, paling panjang 128 karakter.",
        "ce_id must be visible text of at most 128 characters.",
    ),
    "control_characters": Advice(
        "Teks memuat karakter kendali; hapus semua kecuali baris baru dan tab.",
        "The text holds control characters; remove all but new lines and tabs.",
    ),
    "blank_text": Advice(
        "Isian wajib hanya berisi spasi; tuliskan isinya.",
        "A required text is blank; write something.",
    ),
    "text_too_long": Advice(
        "Teks lebih dari 10.000 karakter; persingkat.",
        "The text has more than 10,000 characters; shorten it.",
    ),
    "slow_down": Advice(
        "Terlalu banyak pesan yang ditolak atau bukti yang salah; perbaiki pengirim dan tunggu. "
        "Jawaban ini dapat mewakili banyak pesan.",
        "Too many messages refused or proofs wrong; mend the sender and wait. This one answer may "
        "stand for many messages.",
    ),
    "too_many_messages": Advice(
        "Laporan ini sudah menerima terlalu banyak pesan; hubungi pengelola.",
        "This report has had too many messages; ask the operator.",
    ),
}

_SUBMISSIONS: Final = {  # a report, or a reporter's message, at the people's gateway
    "unknown_channel": Advice(
        "Nama kanal pada topik tidak sah; hubungi pengelola.",
        "The channel's name in the topic is not valid; ask the operator.",
    ),
    "try_another_message_id": Advice(
        "Tanda pengenal pesan ini tidak dapat dipakai; kirim ulang dengan ce_id lain.",
        "This message id cannot be used; send the report again under another ce_id.",
    ),
    "submitted_in_the_future": Advice(
        "Waktu laporan berada di masa depan; periksa jam dan zona waktu pengirim.",
        "submitted_at lies in the future; check the sender's clock and time zone.",
    ),
    "submitted_too_long_ago": Advice(
        "Waktu laporan lebih dari 366 hari yang lalu; laporkan dengan tanggal sekarang.",
        "submitted_at is older than 366 days; submit the report with today's date.",
    ),
    "incident_on_invalid": Advice(
        "Tanggal kejadian tidak ada dalam kalender; tulis tahun-bulan-hari.",
        "The incident's date is not in the calendar; write year-month-day.",
    ),
    "incident_in_the_future": Advice(
        "Tanggal kejadian berada di masa depan; perbaiki tanggalnya.",
        "The incident's date lies in the future; correct it.",
    ),
    "unknown_tracking_number": Advice(
        "Nomor laporan salah tulis; periksa 13 karakternya.",
        "The tracking number is mistyped; check its 13 characters.",
    ),
    "not_proved": Advice(
        "Nomor laporan dan kode rahasia tidak cocok; periksa keduanya, atau kirim dari kanal dan "
        "akun yang dipakai melapor.",
        "Tracking number and secret do not fit; check both, or write from the channel and account "
        "that the report came from.",
    ),
}

_REGISTERED: Final = {  # something named is not in the registry
    "unknown_sender": Advice(
        "Instansi pemilik topik ini belum terdaftar; hubungi pengelola.",
        "The institution of this topic is not registered; ask the operator.",
    ),
    "unknown_institution": Advice(
        "Instansi tidak terdaftar; pakai kode dari daftar instansi.",
        "No such institution; use a code of the registry.",
    ),
    "unknown_unit": Advice(
        "Unit tidak terdaftar; pakai kode dari daftar unit instansi.",
        "No such unit; use a code of the institution's list of units.",
    ),
    "not_your_unit": Advice(
        "Unit itu milik instansi lain; sebutkan unit instansi sendiri.",
        "That unit is another institution's; name one of your own.",
    ),
    "unknown_category": Advice(
        "Kategori tidak terdaftar; pakai ID dari daftar kategori.",
        "No such category; use an id of the list of categories.",
    ),
    "unknown_place": Advice(
        "Kode wilayah tidak terdaftar; pakai kode Kemendagri.",
        "No such place; use a region code of the ministry's list.",
    ),
}

_COMMANDS: Final = {  # a command that is not its sender's to give, or is about nothing
    "not_yours_to_give": Advice(
        "Perintah ini bukan wewenang instansi pengirim.",
        "This command is not the sender's to give.",
    ),
    "forward_to_itself": Advice(
        "Laporan tidak dapat diteruskan ke Admin Nasional sendiri; pilih instansi lain.",
        "A report cannot be forwarded to the national admin; choose an institution.",
    ),
    "duplicate_of_itself": Advice(
        "Laporan tidak dapat menjadi duplikat dirinya; sebutkan laporan yang lain.",
        "A report cannot be a duplicate of itself; name the other one.",
    ),
    "duplicate_of_missing": Advice(
        "Sebutkan laporan yang diduplikasi dalam duplicate_of.",
        "Name the report that it duplicates in duplicate_of.",
    ),
    "reason_not_allowed": Advice(
        "Alasan arsip ini hanya dipakai sistem atau pelapor; pilih alasan lain.",
        "This archive reason is the system's or the reporter's own; choose another.",
    ),
    "not_for_this_stage": Advice(
        "Perintah ini tidak berlaku pada tahap ini.",
        "This command has no meaning in this stage.",
    ),
    "repeated": Advice(
        "Perintah ini sudah diterima; jawabannya ada di kotak masuk. Beri ce_id baru bila memang "
        "perintah lain.",
        "This very command was taken before and its answer is in the inbox; give it a ce_id of "
        "its own if it is meant again.",
    ),
    "unknown_report": Advice(
        "Laporan tidak ada; periksa report_id.",
        "No such report; check report_id.",
    ),
    "erased": Advice(
        "Isi laporan sudah dihapus untuk selamanya; tidak ada yang dapat ditambahkan.",
        "The report was erased for good; nothing can be added to it.",
    ),
}

_STATES: Final = {  # a well-formed command that does not fit the report as it stands
    "not_the_holder": Advice(
        "Laporan ini tidak sedang dipegang instansi Anda, atau tidak ada; periksa report_id.",
        "Your institution does not hold this report, or there is none; check report_id.",
    ),
    "stale_holding": Advice(
        "Perintah ini untuk penerusan terdahulu; pakai nomor holding pada kotak masuk terakhir.",
        "This is about an earlier holding; use the number of the latest inbox entry.",
    ),
    "nothing_to_decide": Advice(
        "Dalam sehari tidak ada laporan atau tahap yang cocok; periksa laporan dan holding-nya.",
        "Nothing it could be about came within a day; check the report and the holding.",
    ),
    "too_many_waiting": Advice(
        "Terlalu banyak perintah menunggu untuk laporan ini; kirim ulang nanti.",
        "Too many commands wait for this report; send it again later.",
    ),
    "already_decided": Advice(
        "Sudah diputuskan lebih dahulu; lihat keputusan di kotak masuk.",
        "This was decided before; see the decision in the inbox.",
    ),
    "already_forwarded": Advice(
        "Laporan sudah diteruskan; tunggu instansi itu atau pengembaliannya.",
        "The report is already forwarded; wait for that institution or its return.",
    ),
    "already_accepted": Advice(
        "Laporan sudah diterima; ubah klasifikasi dengan Reclassify.",
        "The report is already accepted; change its class with Reclassify.",
    ),
    "same_class": Advice(
        "Kelas dan kategori sudah demikian; tidak ada yang berubah.",
        "Class and category are so already; nothing changes.",
    ),
    "not_accepted": Advice(
        "Laporan belum diterima dan diklasifikasi; kirim Accept lebih dahulu.",
        "The report is not accepted yet; send Accept first.",
    ),
    "already_returned": Advice(
        "Laporan sudah dikembalikan; tidak ada yang perlu dilakukan.",
        "The report was already returned; nothing is left to do.",
    ),
    "return_limit": Advice(
        "Penerusan ini final setelah dua kali pengembalian; tindak lanjuti laporannya.",
        "This holding is final after two returns; follow the report up.",
    ),
    "awaiting_information": Advice(
        "Pelapor sedang diminta melengkapi; tunggu jawabannya atau batas waktunya.",
        "The reporter is being asked; wait for the answer or the end of the wait.",
    ),
    "already_dispatched": Advice(
        "Laporan sudah ada pada unit; tunggu unit itu atau pengembaliannya.",
        "The report is already with a unit; wait for that unit or its return.",
    ),
    "not_dispatched": Advice(
        "Laporan belum ada pada unit; kirim Dispatch lebih dahulu.",
        "The report is not with a unit yet; send Dispatch first.",
    ),
    "wrong_unit": Advice(
        "Laporan ada pada unit lain; sebutkan unit pada disposisi terakhir.",
        "The report is with another unit; name that of the last dispatch.",
    ),
    "already_responded": Advice(
        "Tanggapan awal sudah diberikan; lanjutkan dengan FollowUp.",
        "The initial response was given; go on with FollowUp.",
    ),
    "already_followed_up": Advice(
        "Laporan sudah ditindaklanjuti; tunggu balasan pelapor.",
        "The report was followed up; wait for the reporter's reply.",
    ),
    "not_followed_up": Advice(
        "Belum ada tindak lanjut; kirim FollowUp lebih dahulu.",
        "There is no follow-up yet; send FollowUp first.",
    ),
    "already_closed": Advice(
        "Laporan sudah ditutup; hanya pelapor yang dapat membukanya kembali.",
        "The report is closed; only the reporter can have it reopened.",
    ),
    "not_closed": Advice(
        "Laporan belum ditutup; belum perlu dibuka kembali.",
        "The report is not closed; there is nothing to reopen.",
    ),
    "window_over": Advice(
        "Batas waktu untuk membuka kembali sudah lewat; buat laporan baru.",
        "The time to reopen the report is over; submit a new one.",
    ),
    "archived": Advice(
        "Laporan sudah diarsipkan; tidak ada lagi yang dapat dilakukan.",
        "The report is archived; nothing more can be done.",
    ),
    "blocked": Advice(
        "Laporan sudah diblokir; tidak ada lagi yang dapat dilakukan.",
        "The report is blocked; nothing more can be done.",
    ),
    "withdrawn": Advice(
        "Pelapor sudah mencabut laporan; tidak ada lagi yang dapat dilakukan.",
        "The reporter took the report back; nothing more can be done.",
    ),
}

_INBOX: Final = {  # why an inbox entry came, or lacks something
    "nothing_fits": Advice(
        "Tidak ada aturan yang menunjuk unit; pilih unit dengan Dispatch.",
        "No rule names a unit; choose one with Dispatch.",
    ),
    "returned_twice": Advice(
        "Dua unit mengembalikan laporan; pilih unit dengan Dispatch.",
        "Two units returned the report; choose one with Dispatch.",
    ),
    "unit_unknown": Advice(
        "Unit yang disebut tidak terdaftar; pilih unit lain dengan Dispatch.",
        "The unit named is not registered; choose another with Dispatch.",
    ),
    "seal_broken": Advice(
        "Teks tidak dapat dibuka; hubungi pengelola.",
        "The text could not be opened; ask the operator.",
    ),
}

REASONS: Final[Mapping[str, Advice]] = MappingProxyType(
    _RECORDS | _SUBMISSIONS | _REGISTERED | _COMMANDS | _STATES | _INBOX
)
"""Advice for every reason code that a sender can get."""


def advice(code: str, language: Language = "id", fields: str | None = None) -> str:
    """Say what to do about a reason, then the fields concerned; an unknown code stands as it is."""
    known = REASONS.get(code)
    text = code if known is None else getattr(known, language)
    return f"{text} [{fields}]" if fields else text
