"""People and institutions who do all sorts of things at once, sensible and not, by a seed."""

from collections.abc import Callable
from typing import Any, Final

from deploy.actors import texts
from services.notifier.senders import SENT, permanent, temporary
from shared.contract import events as e
from shared.contract.envelope import outside_id
from shared.contract.topics import COMMANDS, OUTBOX, REPORTER_MESSAGES, SUBMISSIONS
from shared.runtime.timers import has_timers
from tests.pipeline.harness import Harness
from tests.pipeline.reading import CORE

INSTITUTIONS: Final = ("00", "3204", "6308")
CATEGORIES: Final = ("928", "1398", "942", "921", "915")
CHECKPOINTS: Final = ("before_save", "saved", "published")
REASONS: Final = ("unclear", "no_evidence", "duplicate", "expired", "not_relevant")
Action = Callable[[], None]


class RandomActors:
    """Acts upon a harness, one step at a time; what it does follows from the harness's seed.

    Each seed has habits of its own: one hardly lets the stages read, another crashes all the
    time, a third never errs. Uniform chance would make every history alike.
    """

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.dice = harness.random
        self.reports: list[str] = []
        self.reports_max = self.dice.choice((1, 2, 5))
        self.sent: list[tuple[Any, str, Any, str]] = []
        usual: list[tuple[Action, float]] = [
            (self.report, 6),
            (self.decide_sensibly, 20),
            (self.command_anything, 2),
            (self.write_anything, 3),
            (self.send_again, 1),
            (self.read_some, 10),
            (self.read_all_of_one, 3),
            (self.harness.run, 3),
            (self.let_time_pass, 3),
            (self.fire, 2),
            (self.crash, 2),
            (self.repeat_record, 2),
            (self.break_the_mail, 1),
            (self.erase, 0.1),
        ]
        self.deeds = [deed for deed, _ in usual]
        self.habits = [weight * self.dice.choice((0.2, 1, 1, 4)) for _, weight in usual]

    def act(self) -> None:
        """Do one thing."""
        (deed,) = self.dice.choices(self.deeds, self.habits)
        deed()

    # ---- people

    def report(self) -> None:
        """Hand in a report: clear, unclear, like an earlier one, or not to be taken at all."""
        dice, number = self.dice, len(self.reports)
        if number >= self.reports_max:
            return
        category = dice.choice(CATEGORIES)
        title, body = texts.write(category, dice.choice((number, 0)))
        fields: dict[str, Any] = {
            "title": title,
            "body": f"{body} Di {dice.choice(('Amuntai', 'Soreang'))}.",
            "institution": dice.choice((*("6308",) * 8, *("3204",) * 4, None, None, "9999")),
            "category_id": dice.choice((category, category, None)),
            "anonymous": dice.random() < 0.5,
            "reporter": dice.choice((
                e.Reporter(email="a@warga.example"), e.Reporter(phone="081234567890"), e.Reporter(),
            )),
        }  # fmt: skip
        if dice.random() < 0.05:
            fields["body"] = "   "
        channel = dice.choice(("website", "website", "counter"))
        self.reports.append(
            self.put(SUBMISSIONS, channel, e.SubmitReport(**fields), self.harness.new_id(channel))
        )

    def write_anything(self) -> None:
        """Write something about a report, whatever its state, mostly with its secret."""
        if self.reports:
            messages = [m for m in REPORTER_MESSAGES if m is not e.WithdrawReport]
            if self.dice.random() < 0.1:
                messages = [e.WithdrawReport]
            self.write(self.dice.choice(messages), self.dice.choice(self.reports))

    def write(self, message: type[e.ReporterMessage], report_id: str) -> None:
        """Write about a report."""
        fields: dict[str, Any] = {"text": "Masih belum selesai."}
        if message is e.CloseReport:
            fields |= {"rating": self.dice.randint(1, 5), "solved": self.dice.random() < 0.5}
        if self.dice.random() < 0.05:
            fields["reporter"] = e.Reporter(email="orang.lain@warga.example")
        self.harness.write(message, report_id, **fields)

    # ---- institutions

    def decide_sensibly(self) -> None:
        """Do what whoever holds a report would do next."""
        if not self.reports:
            return
        report_id = self.dice.choice(self.reports)
        status = self.harness.status(report_id)
        national = self.harness.case("verification.national", report_id)
        holder = national.holder if national else "00"
        if status.national == "waiting":
            choice = (e.Forward, e.Forward, e.Forward, e.AskForInformation, e.Archive)
            self.command("00", self.dice.choice(choice), report_id)
        elif "asked" in (status.national, status.institution):
            self.write(e.CompleteInformation, report_id)
        elif status.institution == "waiting":
            options = (e.Accept, e.Accept, e.Accept, e.ReturnReport, e.AskForInformation)
            self.command(holder, self.dice.choice(options), report_id)
        elif status.routing == "held":
            self.command(
                holder, self.dice.choice((e.Dispatch, e.Dispatch, e.ReturnReport)), report_id
            )
        elif status.follow_up in ("waiting", "in_progress", "replied"):
            units = (e.InitialResponse, e.FollowUp, e.FollowUp, e.ReturnToInstitution, e.Reclassify)
            self.command(holder, self.dice.choice(units), report_id)
        elif status.follow_up == "followed_up":
            if self.dice.random() < 0.3:
                self.command(holder, e.CloseCase, report_id)
            else:
                self.write(self.dice.choice((e.ReplyToFollowUp, e.CloseReport)), report_id)
        elif status.follow_up == "closed":
            self.write(e.ReopenReport, report_id)

    def command_anything(self) -> None:
        """Let any institution send any command, perhaps of another holding."""
        if self.reports:
            self.command(
                self.dice.choice(INSTITUTIONS),
                self.dice.choice(COMMANDS),
                self.dice.choice(self.reports),
            )

    def command(self, code: str, command: type[e.Command], report_id: str) -> None:
        """Send a command with fields that are mostly right."""
        dice, national = self.dice, self.harness.case("verification.national", report_id)
        follow_up = self.harness.case("follow-up", report_id)
        holding = (national.holding if national else 0) + dice.choice((0,) * 12 + (-1, 1))
        unit = follow_up.unit if follow_up and follow_up.unit.startswith(code) else ""
        some_unit = f"{code if code != '00' else '6308'}-{dice.choice((4, 9, 10)):03}"
        every: dict[str, Any] = {
            "report_id": report_id, "holding": max(0, holding), "by": "petugas-1",
            "to": dice.choice(("6308", "6308", "3204", "9999")),
            "reason": dice.choice(REASONS) if command is e.Archive else "Bukan kewenangan kami.",
            "question": "Di mana tepatnya?", "text": "Sudah kami kerjakan.", "why": "Salah kelas.",
            "report_class": dice.choice(list(e.ReportClass)),
            "category_id": dice.choice((*CATEGORIES, None)),
            "unit": some_unit if command is e.Dispatch or not unit else unit,
            "proposed_unit": dice.choice((None, some_unit)), "solved": dice.random() < 0.5,
            "duplicate_of": dice.choice((None, self.reports[0])),
        }  # fmt: skip
        fields = {name: every[name] for name in command.model_fields if name in every}
        self.put(OUTBOX, code, command(**fields), self.harness.new_id(code))

    def put(self, stream: Any, producer: str, event: Any, message_id: str) -> str:
        """Send, and remember what was sent; return the report's id or the message's."""
        self.sent.append((stream, producer, event, message_id))
        if stream is SUBMISSIONS:
            fields = {name: getattr(event, name) for name in type(event).model_fields}
            return self.harness.submit(channel=producer, message_id=message_id, **fields)
        return self.harness.put(stream, producer, event, message_id)

    def send_again(self) -> None:
        """Send the same again, or something else under the same id."""
        if self.sent:
            stream, producer, event, message_id = self.dice.choice(self.sent)
            if self.dice.random() < 0.3 and isinstance(event, e.Command):
                event = event.model_copy(update={"by": "petugas-2"})
            self.put(stream, producer, event, message_id)

    # ---- the world

    def read_some(self) -> None:
        """Let a few stages read a part each."""
        for _ in range(self.dice.randint(1, 6)):
            lagging = [p for p in self.harness.processes.values() if p.lagging()]
            if lagging:
                self.dice.choice(lagging).step(self.dice)

    def read_all_of_one(self) -> None:
        """Let one stage catch up, while the others sleep."""
        self.harness.catch_up(self.dice.choice(list(self.harness.processes)))

    def break_the_mail(self) -> None:
        """Let the next deliveries fail, for a while or for good."""
        outcomes = (temporary("unreachable"), permanent("no_mailbox"), SENT)
        self.harness.outcomes += self.dice.choices(outcomes, k=3)

    def erase(self) -> None:
        """Destroy a report's key: somebody has the right to be forgotten."""
        if self.harness.lookups.keys:
            self.harness.lookups.erase(self.dice.choice(sorted(self.harness.lookups.keys)))

    def let_time_pass(self) -> None:
        """Move on by minutes or weeks, with the timers heard in time or not yet."""
        hours = self.dice.choice((0.1, 2, 25, 24 * 4, 24 * 12, 24 * 35))
        if self.dice.random() < 0.5:
            self.harness.wait(hours=hours)
        else:
            self.harness.broker.now_ms += int(hours * 3_600_000)

    def fire(self) -> None:
        """Fire what is due, perhaps twice, and let the stages read it whenever they do."""
        for _ in range(self.dice.randint(1, 2)):
            for timer in self.harness._timers(self.harness.now):
                if has_timers(timer[0]):
                    self.harness._fire(*timer)

    def crash(self) -> None:
        """Let a stage die in its next batch."""
        process = self.dice.choice(list(self.harness.processes.values()))
        process.crash_at.append(self.dice.choice(CHECKPOINTS))

    def repeat_record(self) -> None:
        """Append a core stream's record again, as a producer that lost an acknowledgement does."""
        topics = {stream.topic() for stream in CORE}
        logs = self.harness.broker.logs
        places = [p for p, log in logs.items() if p.topic in topics and log]
        if places:
            self.harness.repeat([self.dice.choice(logs[self.dice.choice(places)])])


def gateway_id(record: Any) -> str:
    """Return the id under which a gateway decides a record that it sees for the first time."""
    headers = dict(record.headers)
    return outside_id(record.topic, headers["ce_id"].decode(), record.value)
