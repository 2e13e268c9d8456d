"""Words for tests of feeds that fall silent: a worker that hears feeds on a database whose clock the test moves, and the judge
who asks it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import structs

from models import policy_text
from models.event import Site, Source
from models.policy import Policies
from models.signals import Signal
from models.store import policies as versions
from models.store.seat import Seat
from models.store.sql import SqlLedger
from models.tracking import Watched, track
from models.wire import Decoded
from streams.draft import Draft, Partition
from tests.clockwork import MovedClock
from tests.heart import event
from tests.judging import PARTITIONS, always, told

PIS = (Source("/mercy/pis"), Site("mercy"))
HEARD_FOR_20M = policy_text.read('extends = "none"\n[feed."/mercy/pis"]\nsilent_after = "20m"\n', file="feeds.toml")
LEARNED = policy_text.read(
    'extends = "none"\n[site.mercy]\nname = "Mercy"\nsetting = "inpatient"\ntimezone = "UTC"\n', file="plain.toml"
)


class Ear:
    """A worker that hears feeds, on a database whose clock the test moves, and the judge. Times are minutes after the
    beginning."""

    def __init__(self, url: str, policy: policy_text.Parsed) -> None:
        self.url = url
        self.clock = MovedClock(url)
        versions.begin(url, policy, "a test")
        self.policies = Policies.only(policy.policy)
        self.ledger = SqlLedger(url, "w0")
        claims = self.ledger.claim("a-cluster", range(PARTITIONS), "w0")
        self.partitions = [Partition.of(claim) for claim in claims]
        self.seat = Seat(url, "w0")
        self.begins = self.ledger.now()
        self.heard = self.sent = 0

    def at(self, minutes: float) -> datetime:
        return self.begins + timedelta(minutes=minutes)

    def until(self, minutes: float) -> None:
        """Moves the database's clock there."""
        self.clock.forward(seconds=(self.at(minutes) - self.ledger.now()).total_seconds())

    def hear(self, *minutes: float, judged: Iterable[int] = range(PARTITIONS)) -> None:
        """One batch: events recorded then, one partition after the other, and silence up to now in those `judged`."""
        draft, now = Draft(), self.ledger.now()
        for at in minutes:
            self.heard += 1
            partition = self.partitions[self.heard % PARTITIONS]
            said = structs.replace(
                event("feed.heartbeat", 0, key=f"e{self.heard}", case=f"feed/{self.heard}"), recorded=self.at(at)
            )
            draft.read(partition, partition.position, said.recorded)
            case = Watched(said.subject)
            draft.track(partition, case, [Decoded(said)], track(case, said, self.policies))
        for number in judged:
            draft.listened(self.partitions[number], now, [])
        draft.seal()
        self.ledger.commit(draft.batch(lambda _: 0, timedelta(minutes=15)))

    def judge(self) -> list[Signal]:
        found = [change.signal for change in told(self.seat.judge(self.sent, always))]
        self.sent += len(found)
        return found

    def close(self) -> None:
        self.seat.close()
        self.ledger.close()
        self.clock.close()
