"""A patient's name, number and telephone are planted in everything that RxPulse is fed, and looked for in everything that it
keeps or shows: topics, tables, logs, metrics, messages, pages and files."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from rxpulse import keys, postgres
from tests.integration import test_dispatcher
from tests.integration.test_dispatcher import Receiver
from tests.mailserver import mail_server
from tests.stacks import Stack

receiver = test_dispatcher.receiver
PLANTED = ("Quillfeather", "MRN88412345", "5550199773", "penicillinrash", "rxnumber7741", "DrZephyrina", "1931-02-28")
POLICY = """
extends = "inpatient"
[site.mercy]
setting = "inpatient"
timezone = "UTC"
[feed."/mercy/raw"]
pseudonymise = true
[person.ana]
name = "Ana"
email = "ana@example.org"
webhook = "{hook}"
[ladder.urgent]
for = {{ severity = ["S1", "S2"], name = ["stat-verified"] }}
steps = [{{ after = "0s", to = ["person:ana"], by = ["webhook", "email", "inbox"] }}]
[channel.email]
smtp = "{smtp}"
from = "rxpulse@example.org"
[channel.webhook]
allow_private = true
"""
MAP = """
source = "/mercy/export"
case = "order"
columns = { subject = "ORDER_NO", "data.site" = "FACILITY", "data.priority" = "PRIO", "data.reason" = "NOTE" }
constants = { "data.setting" = "inpatient" }
codes = { "data.priority" = { S = "stat" } }
time = { format = "%Y-%m-%d %H:%M:%S", timezone = "UTC" }
[[event]]
type = "rx.order.entered"
time = "ORDERED_AT"
actor = "ORDERED_BY"
"""
_NAMES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'
"""
PAGES = (
    "/board",
    "/signals?state=all",
    "/escalations?state=all",
    "/quality",
    "/turnaround",
    "/charts",
    "/reports",
    "/search",
)
LISTS = ("board", "signals?state=all", "escalations?state=all", "reports", "charts")


def exported(file: Path, at: datetime) -> None:
    """An export of the pharmacy's own system, with all that such a file holds: one row that is taken, three refused."""
    who = "DrZephyrina,Quillfeather,MRN88412345,5550199773,1931-02-28"
    file.write_text(
        "ORDER_NO,FACILITY,PRIO,ORDERED_AT,ORDERED_BY,PATIENT,MRN,PHONE,DOB,NOTE,REMARK\n"
        f"rxnumber7741,mercy,S,{at:%Y-%m-%d %H:%M:%S},{who},hold,Quillfeather is allergic to penicillinrash\n"
        f"rxnumber7741w,mercy,S,{at:%Y-%m-%d %H:%M:%S},{who},Quillfeather is allergic to penicillinrash,\n"
        f"rxnumber7741x,mercy,Quillfeather,{at:%Y-%m-%d %H:%M:%S},{who},,\n"
        f"rxnumber7741y,mercy,S,MRN88412345,{who},,\n",
        "utf-8",
    )


def posted(source: str, at: datetime, **data: object) -> dict[str, object]:
    """An event in our own format that carries more than the format has."""
    return {
        "specversion": "1.0",
        "id": f"{source}-1",
        "source": source,
        "type": "rx.order.entered",
        "time": at.isoformat(),
        "subject": "order/rxnumber7741z",
        "patientname": "Quillfeather",
        "data": {
            "site": "mercy",
            "setting": "inpatient",
            "priority": "stat",
            "actor": "DrZephyrina",
            "patient": {"name": "Quillfeather", "mrn": "MRN88412345", "dob": "1931-02-28"},
            "MRN88412345": "a field whose name is a number",
            "note": "allergic to penicillinrash, call 5550199773",
            **data,
        },
    }


@pytest.fixture
def stack(own_home: Path, receiver: Receiver, tmp_path: Path) -> Iterator[tuple[Stack, list[bytes]]]:
    """A stack that was fed all of it, and what its people were sent once an order was late."""
    policy, export, mapping = tmp_path / "policy.toml", tmp_path / "export.csv", tmp_path / "map.toml"
    with mail_server() as mail:
        policy.write_text(POLICY.format(hook=receiver.url, smtp=mail.url))
        mapping.write_text(MAP)
        late = datetime.now(UTC) - timedelta(minutes=11)
        exported(export, late)
        with Stack(own_home, RXPULSE_POLICY=str(policy)).up() as running:
            imported = running.run("import", "csv", str(export), "--map", str(mapping), "--to-kafka", "--json")
            assert imported.returncode == 0 and json.loads(imported.stdout)["records"]["events"] == 1, imported.stderr
            by_http(running, posted("/mercy/raw", late))
            by_http(
                running, posted("/mercy/raw", late, reason="Quillfeather is allergic to penicillinrash"), refused=True
            )
            running.until(lambda: len(mail.taken) >= 2 and len(receiver.received) >= 2, "two orders are told of")
            running.until(running.applied, "everything is applied")
            messages = [body + str(headers).encode() for headers, body, _ in receiver.received]
            messages += [mail.as_bytes() for _, mail in mail.taken]
            yield running, [*messages, imported.stdout.encode(), imported.stderr.encode()]


def by_http(running: Stack, event: dict[str, object], *, refused: bool = False) -> None:
    document = json.loads(running.run("status", "--json").stdout)
    (url,) = (part["url"] for part in document["parts"] if part["name"] == "intake")
    answer = httpx.post(
        f"{url}/api/v1/events",
        content=json.dumps(event),
        headers={"content-type": "application/cloudevents+json", "authorization": f"Bearer {api_key(running)}"},
        trust_env=False,
    )
    assert answer.status_code == (400 if refused else 202), answer.text
    assert nothing_in(answer.content), answer.text


def api_key(running: Stack) -> str:
    return (running.home / "keys" / "api.key").read_text("ascii").strip()


def nothing_in(content: bytes) -> bool:
    return not [word for word in PLANTED if word.lower().encode() in content.lower()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_that_is_kept_or_shown_holds_an_identifier(stack: tuple[Stack, list[bytes]]) -> None:
    running, messages = stack
    document = json.loads(running.run("status", "--json").stdout)
    addresses = {part["name"]: part["url"] for part in document["parts"]}
    kept = {f"message {number}": body for number, body in enumerate(messages)}
    kept |= topics(addresses["kafka"]) | tables(running.home, addresses["postgres"]) | shown(running, addresses)
    kept |= {str(file): file.read_bytes() for file in running.home.rglob("*") if file.is_file()}
    looked_at = " ".join(kept)
    assert all(
        name in looked_at for name in ("rx.events", "cases", "deliveries", "/board", "/metrics of worker", "worker.log")
    )
    assert not [name for name, content in kept.items() if not nothing_in(content)]


def topics(bootstrap: str) -> dict[str, bytes]:
    """All that lies in each topic, with keys and headers."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "looker", "enable.auto.commit": False})
    found: dict[str, bytes] = {}
    for name, topic in consumer.list_topics(timeout=10).topics.items():
        if name.startswith("__"):
            continue
        places = [TopicPartition(name, number) for number in topic.partitions]
        ends = {place.partition: consumer.get_watermark_offsets(place, timeout=10) for place in places}
        wanted = sum(high - low for low, high in ends.values())
        consumer.assign([TopicPartition(name, number, low) for number, (low, _) in ends.items()])
        records = []
        while len(records) < wanted:
            record = consumer.poll(10)
            assert record is not None and record.error() is None
            records.append(b"|".join((record.key() or b"", record.value() or b"", repr(record.headers()).encode())))
        found[name] = b"\n".join(records)
    consumer.close()
    assert found["rx.events"]
    return found


def tables(home: Path, address: str) -> dict[str, bytes]:
    """Every row of every table of every database, Prefect's among them, bytes as they are."""
    port = urlsplit(address).port
    url = f"postgresql://{postgres.ADMIN}:{keys.ensure(home).admin}@127.0.0.1:{port}"
    with psycopg.connect(f"{url}/postgres") as connection:
        databases = connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
    found = {}
    for (database,) in databases:
        with psycopg.connect(f"{url}/{database}") as connection:
            for (name,) in connection.execute(_NAMES).fetchall():
                rows = connection.execute(f"SELECT * FROM {name}").fetchall()  # type: ignore[arg-type]
                found[f"table {database}.{name}"] = b"\n".join(
                    value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
                )
    assert found["table rxpulse.public.cases"]
    return found


def shown(running: Stack, addresses: dict[str, str]) -> dict[str, bytes]:
    """What every page, list and role answers."""
    found = {}
    bearer = {"authorization": f"Bearer {api_key(running)}"}
    with httpx.Client(trust_env=False, headers={"sec-fetch-site": "same-origin"}) as browser:
        token = running.run("console", "--link").stdout.strip().partition("=")[2]
        console = addresses["console"]
        browser.post(f"{console}/enter", data={"link": token, "person": "ana"}, follow_redirects=True)
        cases = [
            one["case"] for one in httpx.get(f"{console}/api/v1/signals?state=all", headers=bearer).json()["items"]
        ]
        assert cases
        for path in (*PAGES, *{f"/cases/{case}" for case in cases if case}):
            answer = browser.get(f"{console}{path}")
            assert answer.status_code == 200, path
            found[path] = answer.content
        for path in (*LISTS, *{f"cases/{case}" for case in cases if case}):
            answer = httpx.get(f"{console}/api/v1/{path}", headers=bearer)
            assert answer.status_code == 200, path
            found[f"/api/v1/{path}"] = answer.content
    for role in ("worker", "dispatcher", "reports", "console", "intake"):
        found[f"/metrics of {role}"] = httpx.get(f"{addresses[role]}/metrics", headers=bearer, trust_env=False).content
    return found
