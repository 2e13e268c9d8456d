"""The open MIMIC-IV demo tables as events: real orders of one teaching hospital, to try RxPulse on.

A pharmacy row gives an order entered, verified and stopped; a row of the bedside record gives a dose given or not given.
Dates in the tables are moved per patient; `rebase` moves each patient on by whole weeks to a recent date, so that weekday
and time of day hold. Numbers of patients and people become keyed pseudonyms. Rows without what an event needs are skipped
and counted by reason.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, cast

from models.errors import CallerFault, UsageFault
from models.event import CaseId, Data, Event, EventType, Source
from streams.intake.pseudonym import pseudonym
from streams.intake.tally import Tally

GIVEN = ("Administered", "Partial Administered", "Delayed Administered", "Started", "Delayed Started", "Applied")
NOT_GIVEN = {
    "Not Given": "not_given",
    "Not Given per Sliding Scale": "per_sliding_scale",
    "Hold Dose": "hold_dose",
    "Not Applied": "not_applied",
    "Not Started": "not_started",
}
WEEK = timedelta(weeks=1)
Row = dict[str, str]


@dataclass(slots=True)
class Import:
    """One reading. A record of `tally` is what could be an event: each of an order's three times, and a row of the bedside
    record."""

    key: str
    site: str = "mimic"
    zone: timezone = UTC
    tally: Tally = field(default_factory=Tally)

    def rows(self, folder: Path, rebase: datetime | None) -> Iterator[Event]:
        """Every event of the folder's tables, patient by patient. Raises UsageFault for a missing table."""
        ordered = {row["poe_id"]: row for row in table(folder, "poe")}
        patients: dict[str, list[tuple[Event, str]]] = {}
        for row in table(folder, "pharmacy"):
            for name, event, made_of in self._order(row, ordered.get(row["poe_id"])):
                patients.setdefault(name, []).append((event, made_of))
        for row in table(folder, "emar"):
            for name, event, made_of in self._dose(row):
                patients.setdefault(name, []).append((event, made_of))
        for told in patients.values():
            yield from self._moved(told, rebase)

    def _moved(self, told: list[tuple[Event, str]], rebase: datetime | None) -> Iterator[Event]:
        latest = max(max(event.time, event.recorded) for event, _ in told)
        shift = timedelta() if rebase is None else WEEK * ((rebase - latest - timedelta(microseconds=1)) // WEEK)
        for event, made_of in told:
            # Keyed: the row keys are short numbers, which a plain hash would give away to whoever tries them all.
            name = pseudonym(self.key, "event", f"{made_of}|{shift.days}", 32)
            time, recorded = event.time + shift, event.recorded + shift
            self.tally.events += 1
            yield Event(name, event.source, event.type, time, recorded, event.subject, event.data)

    def _order(self, row: Row, poe: Row | None) -> Iterator[tuple[str, Event, str]]:
        case = self._case("order", row["pharmacy_id"])
        transaction = poe["transaction_type"].strip() if poe else ""
        said: Data = {"site": self.site, "setting": "inpatient"}
        if transaction:
            said["transaction"] = transaction.replace(" ", "_")
        made: list[tuple[str, str, Data]] = [
            ("rx.order.entered", poe["ordertime"] if poe else "", said),
            ("rx.order.verified", row["verifiedtime"], {"site": self.site}),
            ("rx.order.stopped", row["stoptime"], {"site": self.site}),
        ]
        self.tally.removed += 2
        for name, wall, data in made:
            self.tally.read += 1
            if not wall:
                self.tally.skipped["no order time" if name == "rx.order.entered" else "no time"] += 1
                continue
            time = self._instant(wall)
            if time is None:
                self.tally.skipped["unreadable time"] += 1
                continue
            event = self._event(f"{self.site}/pis", name, time, time, case, data)
            yield row["subject_id"], event, f"pharmacy|{row['pharmacy_id']}|{name}"

    def _dose(self, row: Row) -> Iterator[tuple[str, Event, str]]:
        self.tally.read += 1
        text = row["event_txt"].strip()
        name = kind_of_dose(text)
        if name is None or not row["charttime"]:
            self.tally.skipped["no dose event" if name is None else "no time"] += 1
            return
        self.tally.removed += 2
        number = row["pharmacy_id"]
        case = self._case("order", number) if number else self._case("dose", row["emar_id"])
        data: Data = {"site": self.site, "setting": "inpatient"}
        if text in NOT_GIVEN:
            data["reason"] = NOT_GIVEN[text]
        time, stored = self._instant(row["charttime"]), self._instant(row["storetime"] or row["charttime"])
        if time is None or stored is None:
            self.tally.skipped["unreadable time"] += 1
            return
        if time - stored > timedelta(hours=24):
            self.tally.skipped["charted more than a day ahead"] += 1
            return
        event = self._event(f"{self.site}/emar", name, time, stored, case, data)
        yield row["subject_id"], event, f"emar|{row['emar_id']}"

    def _event(self, source: str, name: str, time: datetime, recorded: datetime, case: CaseId, data: Data) -> Event:
        return Event("", Source("/" + source), EventType(name), time, recorded, case, data)

    def _case(self, kind: str, number: str) -> CaseId:
        return CaseId(f"{kind}/{pseudonym(self.key, kind, number)}")

    def _instant(self, wall: str) -> datetime | None:
        """The instant of a wall time of the tables; None where it is no time."""
        try:
            return datetime.fromisoformat(wall).replace(tzinfo=self.zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def kind_of_dose(text: str) -> str | None:
    """The event type that a text of the bedside record stands for; None where it is no dose."""
    if text in NOT_GIVEN:
        return "rx.dose.not_given"
    if text.startswith(GIVEN) or text == "Removed Existing / Applied New":
        return "rx.dose.administered"
    return None


COLUMNS = {
    "poe": {"poe_id", "ordertime", "transaction_type"},
    "pharmacy": {"subject_id", "pharmacy_id", "poe_id", "verifiedtime", "stoptime"},
    "emar": {"subject_id", "emar_id", "pharmacy_id", "event_txt", "charttime", "storetime"},
}
"""The columns that are read."""


def table(folder: Path, name: str) -> Iterator[Row]:
    """The rows of one published table, csv or csv.gz. Raises UsageFault where it or one of `COLUMNS` is missing,
    CallerFault where it cannot be read to its end."""
    plain, packed = folder / f"{name}.csv", folder / f"{name}.csv.gz"
    if not plain.exists() and not packed.exists():
        raise UsageFault(f"{folder}: no {name}.csv or {name}.csv.gz; give the folder of the published tables")
    file = plain if plain.exists() else packed
    try:
        with opened(file) as stream:
            rows = csv.DictReader(stream, restval="")
            if missing := COLUMNS[name] - set(rows.fieldnames or ()):
                raise UsageFault(f"{file}: no column {', '.join(sorted(missing))}; give the tables as published")
            yield from rows
    except UnicodeError as fault:
        raise CallerFault(f"{file}: not UTF-8, as the published tables are; fetch it anew") from fault
    except (OSError, EOFError, zlib.error, csv.Error) as fault:
        raise CallerFault(f"{file}: cannot be read to its end ({fault}); fetch it anew") from fault


def opened(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return cast("IO[str]", gzip.open(file, "rt", encoding="utf-8-sig", newline=""))
    return file.open(encoding="utf-8-sig", newline="")
