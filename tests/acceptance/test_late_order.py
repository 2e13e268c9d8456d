"""A STAT order gets late on a whole stack: a webhook and a mailbox hear of it, the next step comes, an answer stops it, the
end is told; and all of it also while Prefect is dead or hangs."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration import test_dispatcher
from tests.integration.test_dispatcher import Receiver
from tests.mailserver import MailServer, mail_server
from tests.stacks import Stack

receiver = test_dispatcher.receiver
TARGET = timedelta(minutes=10)
WITHIN = timedelta(seconds=10)
"""A page may take so long here, on any machine; `rxpulse bench` measures what it takes."""
STEP, AGAIN = 6.0, 4.0
POLICY = """
extends = "inpatient"
[site.mercy]
name = "Mercy General"
setting = "inpatient"
timezone = "America/New_York"
[person.ana]
name = "Ana"
email = "ana@example.org"
webhook = "{hook}?ana"
[person.ben]
name = "Ben"
email = "ben@example.org"
webhook = "{hook}?ben"
[ladder.urgent]
for = {{ severity = ["S1", "S2"], name = ["stat-verified"] }}
steps = [
  {{ after = "0s", to = ["person:ana"], by = ["webhook", "email"] }},
  {{ after = "{step:g}s", to = ["person:ben"], by = ["webhook", "email"] }},
]
repeat = {{ from_step = 1, times = 5, after = "{again:g}s" }}
[channel.email]
smtp = "{smtp}"
from = "rxpulse@example.org"
[channel.webhook]
allow_private = true
"""


@dataclass
class Pharmacy:
    """A stack, the people it tells, and the orders typed by hand."""

    stack: Stack
    hook: Receiver
    mail: MailServer
    intake: str

    def say(self, number: int, name: str, at: datetime, now: datetime) -> None:
        event = {
            "specversion": "1.0",
            "id": f"{name}-{number}",
            "source": "/mercy/pis",
            "type": name,
            "time": at.isoformat(),
            "recorded": now.isoformat(),
            "subject": f"order/by-hand-{number}",
            "data": {"site": "mercy", "setting": "inpatient", "priority": "stat"},
        }
        key = (self.stack.home / "keys" / "api.key").read_text("ascii").strip()
        answer = httpx.post(
            f"{self.intake}/api/v1/events",
            content=json.dumps(event),
            headers={"content-type": "application/cloudevents+json", "authorization": f"Bearer {key}"},
            trust_env=False,
        )
        assert answer.status_code == 202, answer.text

    def told(self, escalation: str | None, kind: str, person: str | None = None) -> list[dict[str, Any]]:
        """What the webhook heard of one escalation, in order; of all where it is None."""
        heard = [json.loads(body) for _, body, _ in list(self.hook.received)]
        return [
            one
            for one in heard
            if one["type"] == f"rx.escalation.{kind}"
            and escalation in (None, one["data"]["escalation"])
            and person in (None, one["data"]["person"])
        ]

    def mailed(self, person: str, kind: str) -> int:
        return self.mail.types(f"{person}@example.org").count(f"rx.escalation.{kind}")


@pytest.fixture(scope="module")
def _mail() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def pharmacy(own_home: Path, receiver: Receiver, _mail: MailServer, tmp_path: Path) -> Iterator[Pharmacy]:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(hook=receiver.url, smtp=_mail.url, step=STEP, again=AGAIN))
    with Stack(own_home, RXPULSE_POLICY=str(policy)).up() as stack:
        document = json.loads(stack.run("status", "--json").stdout)
        (intake,) = (part["url"] for part in document["parts"] if part["name"] == "intake")
        yield Pharmacy(stack, receiver, _mail, intake)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_late_order_is_told_until_somebody_answers_and_its_end_too(pharmacy: Pharmacy) -> None:
    gets_late(pharmacy, 1)
    prefect = pharmacy.stack.pid("prefect")
    os.kill(prefect, signal.SIGKILL)
    gets_late(pharmacy, 2)
    prefect = pharmacy.stack.until(lambda: pharmacy.stack.pid("prefect"), "Prefect is back")
    os.kill(prefect, signal.SIGSTOP)
    try:
        gets_late(pharmacy, 3)
    finally:
        os.kill(prefect, signal.SIGCONT)


def gets_late(pharmacy: Pharmacy, number: int) -> None:
    """One order from its lateness to its end."""
    until, mails = pharmacy.stack.until, {who: pharmacy.mailed(who, "page") for who in ("ana", "ben")}
    pages = len(pharmacy.told(None, "page", "ana"))
    now = datetime.now(UTC)
    due = now + timedelta(seconds=5)
    pharmacy.say(number, "rx.order.entered", due - TARGET, now)
    until(lambda: len(pharmacy.told(None, "page", "ana")) > pages, "Ana is paged")
    waited = datetime.now(UTC) - due
    print(f"order {number}: paged {waited.total_seconds():.2f} s after its due instant")
    assert timedelta() <= waited < WITHIN
    first = pharmacy.told(None, "page", "ana")[pages]
    one = first["data"]["escalation"]
    assert (first["data"]["step"], first["data"]["signal"]["name"]) == (1, "stat-verified")
    began = time.monotonic()
    until(lambda: pharmacy.told(one, "page", "ben"), "the second step comes")
    assert STEP - 2 < time.monotonic() - began < STEP + WITHIN.total_seconds()
    until(lambda: all(pharmacy.mailed(who, "page") > mails[who] for who in mails), "both have mail")
    acknowledged(pharmacy, one)
    ended(pharmacy, one, number)


def acknowledged(pharmacy: Pharmacy, one: str) -> None:
    """Ana takes it on: Ben hears so, and nobody is paged again when the loop would have come."""
    answered = pharmacy.stack.run("ack", one, "--person", "ana", "--json")
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["acknowledged_by"] == "ana"
    pharmacy.stack.until(lambda: pharmacy.told(one, "acknowledged", "ben"), "Ben hears who has it")
    pages, quiet_until = len(pharmacy.told(one, "page")), time.monotonic() + AGAIN + 3
    pharmacy.stack.until(lambda: time.monotonic() > quiet_until, "the loop's time is over")
    assert len(pharmacy.told(one, "page")) == pages


def ended(pharmacy: Pharmacy, one: str, number: int) -> None:
    """A pharmacist verifies it: both hear so, by both ways, and the story can be read."""
    mails = {who: pharmacy.mailed(who, "resolved") for who in ("ana", "ben")}
    now = datetime.now(UTC)
    pharmacy.say(number, "rx.order.verified", now, now)
    pharmacy.stack.until(lambda: all(pharmacy.told(one, "resolved", who) for who in mails), "both hear of the end")
    pharmacy.stack.until(lambda: all(pharmacy.mailed(who, "resolved") > mails[who] for who in mails), "by mail too")
    file = pharmacy.stack.home / "deliveries.csv"
    assert pharmacy.stack.run("export", "deliveries", "--out", str(file)).returncode == 0
    story = [line.split(",") for line in file.read_text("utf-8").splitlines() if line.split(",")[1] == one]
    assert all("sent" in line for line in story)
    assert {line[5] for line in story} == {"ana", "ben"} and {line[6] for line in story} == {"webhook", "email"}
