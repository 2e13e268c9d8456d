"""Exports of a pharmacy's own system as events, by a map of their columns."""

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.errors import CallerFault, UsageFault
from models.event import Event
from models.wire import Decoded, decode
from rxpulse import cli
from streams.intake.map_reading import read_map
from streams.intake.tabular import REMEDIES, Refusal, Table

KEY = "a key that is long enough to be one"
HEAD = """
source = "/mercy/pis"
case = "order"
columns = { subject = "ORDER_NO", "data.site" = "FACILITY", "data.priority" = "PRIO", "data.drug.code" = "NDC" }
constants = { "data.setting" = "inpatient" }
codes = { "data.priority" = { S = "stat", R = "routine" } }
time = { format = "%m/%d/%Y %H:%M", timezone = "America/New_York", ambiguous = "earlier" }
"""
LONG = HEAD + 'type = { column = "ACTION", time = "AT", codes = { E = "rx.order.entered", V = "rx.order.verified" } }\n'
WIDE = (
    HEAD
    + """
[[event]]
type = "rx.order.entered"
time = "ORDERED_AT"
actor = "ORDERED_BY"
[[event]]
type = "rx.order.verified"
time = "VERIFIED_AT"
"""
)
LONG_HEADING = "ORDER_NO,FACILITY,PRIO,NDC,ACTION,AT\n"
WIDE_HEADING = "ORDER_NO,FACILITY,PRIO,NDC,ORDERED_AT,ORDERED_BY,VERIFIED_AT,PATIENT\n"
ENTERED = "1001,mercy,S,0409-1,E,11/20/2026 10:00\n"


def read(
    mapping: str, content: str | bytes, site: str | None = None, key: str = KEY
) -> tuple[Table, list[Event | Refusal]]:
    table = Table(key, read_map(mapping, "map.toml"), site)
    data = content.encode() if isinstance(content, str) else content
    return table, list(table.rows(io.BytesIO(data), "export.csv"))


def refused(made: list[Event | Refusal]) -> list[tuple[int, str | None, str]]:
    """What each refusal names; that it says what to do is asserted here for all of them."""
    found = [one for one in made if isinstance(one, Refusal)]
    assert all(one.remedy for one in found)
    return [(one.row, one.column, one.reason) for one in found]


def only(made: list[Event | Refusal]) -> Event:
    [one] = made
    assert isinstance(one, Event), one
    return one


def at(wall: str, mapping: str = LONG) -> Event | Refusal:
    [one] = read(mapping, LONG_HEADING + f"1001,mercy,S,,E,{wall}\n")[1]
    return one


def test_a_row_of_a_long_table_is_one_event() -> None:
    event = only(read(LONG, LONG_HEADING + ENTERED)[1])
    assert event.type == "rx.order.entered" and event.source == "/mercy/pis"
    assert event.time.isoformat() == "2026-11-20T15:00:00+00:00" == event.recorded.isoformat()
    assert event.data == {"setting": "inpatient", "site": "mercy", "priority": "stat", "drug": {"code": "0409-1"}}


def test_a_row_of_a_wide_table_is_one_event_for_each_filled_time() -> None:
    rows = "1,mercy,R,,11/20/2026 10:00,jdoe,11/20/2026 10:05,Smith\n2,mercy,R,,11/20/2026 11:00,,,Jones\n"
    table, made = read(WIDE, WIDE_HEADING + rows)
    assert [one.type for one in made if isinstance(one, Event)] == [
        "rx.order.entered", "rx.order.verified", "rx.order.entered",
    ]  # fmt: skip
    assert (table.tally.read, table.tally.events, table.tally.skipped.total()) == (3, 3, 0)


def test_numbers_of_orders_and_people_and_unnamed_columns_do_not_pass() -> None:
    table, made = read(WIDE, WIDE_HEADING + "77001,mercy,R,,11/20/2026 10:00,jdoe,,Smith\n")
    event = only(made)
    assert event.data.get("actor", "").startswith("a_") and len(event.data.get("actor", "")) == 18
    assert not [word for word in ("77001", "jdoe", "Smith") if word in repr(event)]
    assert table.tally.removed == 2


def test_the_same_file_again_gives_the_same_events() -> None:
    rows = LONG_HEADING + ENTERED + "1001,mercy,S,0409-1,V,11/20/2026 10:05\n"
    assert read(LONG, rows)[1] == read(LONG, rows)[1]


def test_a_wide_row_that_gained_a_time_keeps_the_ids_of_its_earlier_events() -> None:
    before = read(WIDE, WIDE_HEADING + "1,mercy,R,,11/20/2026 10:00,jdoe,,Smith\n")[1]
    after = read(WIDE, WIDE_HEADING + "1,mercy,R,,11/20/2026 10:00,jdoe,11/20/2026 10:09,Smith\n")[1]
    assert after[:1] == before and len(after) == 2


def test_two_rows_of_a_long_table_that_differ_in_any_column_are_two_events() -> None:
    heading, rows = (
        LONG_HEADING.replace("AT\n", "AT,LINE\n"),
        ENTERED.replace("\n", ",1\n") + ENTERED.replace("\n", ",2\n"),
    )
    first, second = read(LONG, heading + rows)[1]
    assert isinstance(first, Event) and isinstance(second, Event) and first.id != second.id


@pytest.mark.parametrize(
    ("row", "row_column_reason"),
    [
        ("1,mercy,X,,E,11/20/2026 10:00", (2, "PRIO", "unknown code")),
        ("1,mercy,S,,Q,11/20/2026 10:00", (2, "ACTION", "unknown type")),
        ("1,mercy,S,,E,20.11.2026", (2, "AT", "bad time")),
        ("1,mercy,S,,E,", (2, "AT", "no time")),
        (",mercy,S,,E,11/20/2026 10:00", (2, "ORDER_NO", "no subject")),
        ("1,mercy,S,Smith John,E,11/20/2026 10:00", (2, "NDC", "bad data.drug.code")),
        ("1,mercy hill,S,,E,11/20/2026 10:00", (2, "FACILITY", "bad data.site")),
        ("1,,S,,E,11/20/2026 10:00", (2, "FACILITY", "missing data.site")),
        ("1,mercy,S,,E,01/01/1850 10:00", (2, "AT", "absurd time")),
        ("1,mercy,S,,E", (2, None, "wrong number of columns")),
    ],
)
def test_a_row_that_cannot_be_an_event_is_refused_with_row_column_and_reason(
    row: str, row_column_reason: tuple[int, str | None, str]
) -> None:
    table, made = read(LONG, LONG_HEADING + row + "\n")
    assert len(made) == 1 and refused(made) == [row_column_reason]
    assert (table.tally.read, table.tally.events, table.tally.skipped) == (1, 0, {row_column_reason[2]: 1})


def test_an_unreadable_start_leaves_out_that_event_and_keeps_the_others_of_its_row() -> None:
    table, made = read(WIDE, WIDE_HEADING + "1001,mercy,S,,20.11.2026,u1,11/20/2026 10:07,Smith\n")
    [verified] = [one for one in made if isinstance(one, Event)]
    assert verified.type == "rx.order.verified"
    assert refused(made) == [(2, "ORDERED_AT", "bad time")]
    assert (table.tally.read, table.tally.events) == (2, 1)


def test_where_events_are_taken_at_once_none_may_be_recorded_later() -> None:
    taken = datetime(2026, 11, 20, 15, 6, tzinfo=UTC)
    made = [LONG_HEADING + f"1001,mercy,S,,E,{at}\n" for at in ("11/20/2026 10:11", "11/20/2026 10:12")]
    kept, late = (
        list(Table(KEY, read_map(LONG, "map.toml"), None, taken).rows(io.BytesIO(one.encode()), "x")) for one in made
    )
    assert isinstance(only(kept), Event)
    assert refused(late) == [(2, "AT", "recorded ahead")]
    assert isinstance(only(read(LONG, made[1])[1]), Event)


def test_rows_are_counted_as_a_spreadsheet_counts_them() -> None:
    made = read(LONG, LONG_HEADING + ENTERED + "\n" + "1,mercy,X,,E,11/20/2026 10:00\n")[1]
    assert refused(made[1:]) == [(4, "PRIO", "unknown code")]


def test_a_time_that_the_clock_change_skips_is_refused() -> None:
    assert refused([at("03/08/2026 02:30")]) == [(2, "AT", "time skipped by the clock change")]


@pytest.mark.parametrize(("choice", "hour"), [("earlier", 5), ("later", 6)])
def test_a_time_that_comes_twice_means_what_the_map_says(choice: str, hour: int) -> None:
    event = at("11/01/2026 01:30", LONG.replace('"earlier"', f'"{choice}"'))
    assert isinstance(event, Event) and event.time.hour == hour


def test_a_time_that_comes_twice_may_be_refused() -> None:
    assert refused([at("11/01/2026 01:30", LONG.replace('"earlier"', '"refuse"'))]) == [(2, "AT", "ambiguous time")]


def test_a_time_with_its_own_offset_needs_no_time_zone() -> None:
    lines = [line for line in LONG.splitlines() if not line.startswith("time =")]
    event = at("2026-11-20T10:00:00-05:00", "\n".join(lines))
    assert isinstance(event, Event) and event.time.hour == 15
    assert refused([at("2026-11-20T10:00:00", "\n".join(lines))]) == [(2, "AT", "time without offset")]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_is_recognised(mark: str) -> None:
    assert only(read(LONG, (LONG_HEADING + ENTERED).replace(",", mark))[1]).data["site"] == "mercy"


def test_quoted_cells_may_hold_the_delimiter_and_line_ends() -> None:
    row = '1,mercy,R,,11/20/2026 10:00,"doe, j",,"Smith\nJohn"\n'
    assert read(WIDE, WIDE_HEADING + row)[1] == read(WIDE, WIDE_HEADING + row.replace("\n", "\r\n"))[1]
    assert len(read(WIDE, WIDE_HEADING + row)[1]) == 1


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert only(read(LONG, b"\xef\xbb\xbf" + (LONG_HEADING + ENTERED).encode())[1]).data["site"] == "mercy"


def test_another_encoding_is_read_where_the_map_says_so_and_named_as_the_remedy_where_not() -> None:
    content = (WIDE_HEADING + "1,mercy,R,,11/20/2026 10:00,müller,,é\n").encode("cp1252")
    expected = only(read(WIDE, content.decode("cp1252"))[1])
    assert only(read('encoding = "cp1252"\n' + WIDE, content)[1]) == expected
    with pytest.raises(CallerFault, match="encoding"):
        read(WIDE, content)


def test_a_heading_without_a_column_of_the_map_is_refused_by_name() -> None:
    with pytest.raises(UsageFault, match="look at PRIO"):
        read(LONG, LONG_HEADING.replace("PRIO", "PRIORITY") + ENTERED)


def test_a_site_that_nobody_names_is_asked_for_and_may_be_given_from_outside() -> None:
    mapping = LONG.replace('"data.site" = "FACILITY", ', "")
    with pytest.raises(UsageFault, match="--site"):
        read(mapping, LONG_HEADING + ENTERED)
    assert only(read(mapping, LONG_HEADING + ENTERED, site="north")[1]).data["site"] == "north"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('case = "order"', 'case = "ordr"', "case: give one of"),
        ("America/New_York", "America/New_Yorck", "no time zone"),
        (', timezone = "America/New_York"', "", "time.timezone: is missing"),
        ("rx.order.verified", "rx.order.verifed", "rx.order.verifed is no event"),
        ("rx.order.verified", "rx.sold", "rx.sold is no event of a case of kind order"),
        ('"data.drug.code"', '"data.drug.name"', "no field of an event"),
        ('"data.priority" = "PRIO", ', "", "no column is named"),
        ('subject = "ORDER_NO", ', "", "number of the case"),
        ("source =", "sorce =", "sorce: no such key"),
        ('"data.setting" = "inpatient"', '"data.actor" = "jdoe"', "a person or number is no constant"),
        ("%m/%d/%Y", "%m/%d", "no year"),
        ("type =", "[[event]]\nx =", "event[1].x: no such key"),
        ("case =", 'delimiter = ";;"\ncase =', "delimiter: give one character"),
        ("type =", "kind =", "kind: no such key"),
    ],
)
def test_a_map_with_a_mistake_is_refused_with_its_key(old: str, new: str, message: str) -> None:
    with pytest.raises(UsageFault, match=r"^map\.toml(:\d+)?: ") as refused:
        read_map(LONG.replace(old, new), "map.toml")
    assert message in str(refused.value)


def test_every_mistake_of_a_map_is_named_at_once_with_its_line() -> None:
    wrong = (
        LONG.replace("source =", "sorce =")
        .replace('"data.drug.code"', '"data.drug.name"')
        .replace('S = "stat"', "S = 1")
        .replace("America/New_York", "America/New_Yorck")
        .replace('"earlier"', '"sooner"')
        .replace("rx.order.verified", "rx.sold")
    )
    with pytest.raises(UsageFault) as refused:
        read_map(wrong, "map.toml")
    assert [line.partition(": ")[0] for line in str(refused.value).splitlines()[:-1]] == [
        "map.toml",
        "map.toml:2",
        "map.toml:4",
        "map.toml:6",
        "map.toml:7",
        "map.toml:7",
        "map.toml:8",
    ]
    assert [line.split(": ")[1] for line in str(refused.value).splitlines()[:-1]] == [
        "source",
        "sorce",
        'columns."data.drug.name"',
        'codes."data.priority".S',
        "time.ambiguous",
        "time.timezone",
        "type.codes.V",
    ]
    assert str(refused.value).endswith("\n7 faults: this map cannot be used")


def test_a_mistake_in_the_second_event_of_a_wide_map_is_found_by_its_line() -> None:
    with pytest.raises(
        UsageFault, match=r"^map\.toml:14: event\[2\]\.type: rx\.sold is no event of a case of kind order"
    ):
        read_map(WIDE.replace("rx.order.verified", "rx.sold"), "map.toml")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RXPULSE_PSEUDONYM_KEY", KEY)
    monkeypatch.setenv("RXPULSE_HOME", str(tmp_path / "no stack"))
    (tmp_path / "map.toml").write_text(LONG, encoding="utf-8")
    bad = "1002,mercy,X,,E,11/20/2026 10:00\n"
    many = "".join(ENTERED.replace("1001", str(number)) for number in range(2000, 2012))
    (tmp_path / "export.csv").write_text(LONG_HEADING + bad + many, encoding="utf-8")
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, ["import", *map(str, words)])


def test_the_command_writes_events_and_counts_every_record(files: Path) -> None:
    out = files / "events.ndjson.gz"
    done = run("csv", files / "export.csv", "--map", files / "map.toml", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "records": {"read": 13, "events": 12, "skipped": 1},
        "skipped_reasons": {"unknown code": 1},
        "identifiers_removed": 13,
    }
    assert out.read_bytes()[:2] == b"\x1f\x8b"
    assert sorted(path.name for path in files.iterdir()) == ["events.ndjson.gz", "export.csv", "map.toml"]


def test_a_dry_run_shows_ten_events_and_every_refusal_and_writes_nothing(files: Path) -> None:
    done = run("csv", files / "export.csv", "--map", files / "map.toml", "--dry-run")
    shown = done.stdout.splitlines()
    assert f"row 2, column PRIO: unknown code: {REMEDIES['unknown code']}" in shown
    assert "nothing was written or sent" in done.stderr
    assert sum(line.startswith("{") for line in shown) == 10
    assert sorted(path.name for path in files.iterdir()) == ["export.csv", "map.toml"]


def test_an_import_that_breaks_off_leaves_the_earlier_file_as_it_was(files: Path) -> None:
    out = files / "events.ndjson"
    out.write_text("earlier", encoding="utf-8")
    (files / "export.csv").write_bytes((LONG_HEADING + ENTERED).encode() * 2000 + b"\xff\n")
    done = run("csv", files / "export.csv", "--map", files / "map.toml", "--out", out)
    assert done.exit_code == 1 and "encoding" in done.output
    assert out.read_text(encoding="utf-8") == "earlier"


def test_without_a_key_for_pseudonyms_the_command_says_how_to_set_one(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RXPULSE_PSEUDONYM_KEY")
    done = run("csv", files / "export.csv", "--map", files / "map.toml", "--out", files / "events.ndjson")
    assert done.exit_code == 2 and "RXPULSE_PSEUDONYM_KEY_FILE" in done.output
    looked = run("csv", files / "export.csv", "--map", files / "map.toml", "--dry-run")
    assert looked.exit_code == 0 and "takes one for itself" in looked.stderr


def test_the_key_of_a_stack_that_has_stopped_is_used(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("csv", files / "export.csv", "--map", files / "map.toml", "--out")
    assert run(*words, files / "given.ndjson").exit_code == 0
    monkeypatch.delenv("RXPULSE_PSEUDONYM_KEY")
    (files / "no stack" / "keys").mkdir(parents=True)
    (files / "no stack" / "keys" / "pseudonym.key").write_text(f"{KEY}\n", "ascii")
    assert run(*words, files / "kept.ndjson").exit_code == 0
    assert (files / "kept.ndjson").read_bytes() == (files / "given.ndjson").read_bytes()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('1,mercy,S,"open,E,11/20/2026 10:00', "quotation mark"),
        ('1,mercy,S,"a" b,E,11/20/2026 10:00', "quotation mark"),
        ("1,mercy,S," + "x" * ((1 << 20) + 1) + ",E,11/20/2026 10:00", "cell too long"),
    ],
)
def test_a_row_that_is_none_takes_no_other_with_it(bad: str, reason: str) -> None:
    after = "".join(ENTERED.replace("1001", str(number)) for number in range(2000, 2005))
    made = read(LONG, LONG_HEADING + ENTERED + bad + "\n" + after)[1]
    assert refused(made) == [(3, None, reason)]
    assert sum(isinstance(one, Event) for one in made) == 6


def test_a_mark_that_stays_open_in_a_large_file_is_not_called_a_long_cell() -> None:
    many = ENTERED * 40_000
    made = read(LONG, LONG_HEADING + '1,mercy,S,"open,E,11/20/2026 10:00\n' + many)[1]
    assert refused(made) == [(2, None, "quotation mark")]
    assert len(made) == 40_001


def test_a_cell_of_hundreds_of_thousands_of_characters_is_read() -> None:
    row = f"1,mercy,R,,11/20/2026 10:00,u,,{'x' * 500_000}\n"
    assert isinstance(only(read(WIDE, WIDE_HEADING + row)[1]), Event)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_text_in_utf_16_is_named(encoding: str) -> None:
    content = (LONG_HEADING + ENTERED).encode(encoding)
    with pytest.raises(CallerFault, match=r'not UTF-8.* say encoding = "utf-16" in the map') as told:
        read(LONG, content)
    assert "codec" not in str(told.value)
    if encoding == "utf-16":
        assert isinstance(only(read('encoding = "utf-16"\n' + LONG, content)[1]), Event)


def test_a_site_that_no_event_may_name_is_refused_before_the_work(files: Path) -> None:
    out = files / "events.ndjson"
    for words in (("mimic", files), ("csv", files / "export.csv", "--map", files / "map.toml")):
        done = run(*words, "--out", out, "--site", "a b")
        assert done.exit_code == 2 and "--site 'a b': give a code" in done.output
    assert not out.exists()


def test_a_time_is_no_date_to_move_the_tables_to(files: Path) -> None:
    done = run("mimic", files, "--out", files / "events.ndjson", "--rebase", "2026-11-20T14:00")
    assert done.exit_code == 2 and "give a date such as 2026-11-20" in done.output


def test_the_file_that_is_read_is_never_overwritten(files: Path) -> None:
    before = (files / "export.csv").read_bytes()
    done = run("csv", files / "export.csv", "--map", files / "map.toml", "--out", files / "export.csv")
    assert done.exit_code == 2 and (files / "export.csv").read_bytes() == before


def test_a_file_of_events_is_rewritten_with_what_passes_the_check(files: Path) -> None:
    good = {
        "specversion": "1.0", "id": "1", "source": "/s", "type": "rx.order.entered", "time": "2026-11-20T10:00:00Z",
        "subject": "order/1", "data": {"site": "mercy", "patient_name": "Smith"},
    }  # fmt: skip
    (files / "feed.ndjson").write_text(f"{json.dumps(good)}\n\n{{}}\nno json\n", encoding="utf-8")
    done = run("ndjson", files / "feed.ndjson", "--out", files / "checked.ndjson", "--json")
    assert json.loads(done.stdout) == {
        "records": {"read": 3, "events": 1, "skipped": 2},
        "skipped_reasons": {"not json": 1, "specversion": 1},
        "identifiers_removed": 1,
    }
    assert 'line 3: specversion: specversion must be "1.0"' in done.stderr.splitlines()
    assert "line 4: not json: the record is no JSON: it cannot be read on near byte 4; look at the marks" in done.stderr
    assert (
        "1 events of 3 records; 2 left out: specversion (1), not json (1)" not in done.stderr
    )  # --json prints figures
    done = run("ndjson", files / "feed.ndjson", "--out", files / "checked.ndjson")
    assert "1 events of 3 records; 2 left out: specversion (1), not json (1)" in done.stderr
    [line] = (files / "checked.ndjson").read_bytes().splitlines()
    assert b"Smith" not in line and b'"recorded":"2026-11-20T10:00:00Z"' in line
    assert isinstance(decode(line, None), Decoded)


def test_an_export_that_is_packed_is_read_and_one_that_is_cut_short_is_named(files: Path) -> None:
    packed = gzip.compress((files / "export.csv").read_bytes())
    (files / "export.csv.gz").write_bytes(packed)
    words = ("csv", files / "export.csv.gz", "--map", files / "map.toml", "--dry-run", "--json")
    assert json.loads(run(*words).stdout)["records"]["events"] == 12
    (files / "export.csv.gz").write_bytes(packed[:-12])
    cut = run(*words)
    assert cut.exit_code == 1 and "cannot be unpacked to its end" in cut.output


def test_a_file_without_one_event_ends_with_1(files: Path) -> None:
    (files / "feed.ndjson").write_text("{}\n", encoding="utf-8")
    assert run("ndjson", files / "feed.ndjson", "--dry-run").exit_code == 1
