"""What a new version of the policy does to the watch over a rate: a changed entry, or one that comes back, starts at 0, and what
was open by the old one is cleared."""

from contextlib import closing

from msgspec import structs

from models import policy_text
from models.rates import MINUTE, minute_of
from models.signals import Cleared
from models.store import policies as versions
from models.store.seat import Seat
from models.store.sql import SqlLedger
from tests.clockwork import MovedClock
from tests.judging import FIRST, PARTITIONS, POLICY, Floor, always, bad_hour, change_policy, now, told

CHANGED = policy_text.read(POLICY % "3.0", file="changed.toml")
WITHOUT = policy_text.read(POLICY.split("[rate.", 1)[0], file="without.toml")


def test_a_changed_entry_starts_at_0_and_its_open_signal_is_cleared_by_policy(database_url: str) -> None:
    clock = MovedClock(database_url)
    versions.begin(database_url, FIRST, "a test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", range(PARTITIONS), "w0")
    floor = Floor(database_url, ledger)
    begins = minute_of(now(floor)) - 60 * MINUTE
    effective = minute_of(now(floor)) + 10 * MINUTE
    with closing(Seat(database_url, "w0")) as seat:
        floor.count(bad_hour(begins), begins)
        [raised] = told(seat.judge(None, always))
        change_policy(database_url, CHANGED, effective)
        assert told(seat.judge(1, always)) == []
        clock.forward(minutes=11)
        [lapsed] = told(seat.judge(1, always))
        assert lapsed.signal == structs.replace(
            raised.signal, cleared=effective, reason=Cleared.POLICY, revision=2, raised=raised.signal.raised
        )
        assert told(seat.judge(2, always)) == []
        clock.forward(hours=2)
        floor.count(bad_hour(effective), effective, CHANGED.policy.rates["not-given"])
        [anew] = told(seat.judge(2, always))
        assert anew.signal.id != raised.signal.id and anew.signal.raised > effective
    ledger.close()
    clock.close()


def test_an_entry_that_comes_back_starts_at_0(database_url: str) -> None:
    clock = MovedClock(database_url)
    versions.begin(database_url, FIRST, "a test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", range(PARTITIONS), "w0")
    floor = Floor(database_url, ledger)
    begins = minute_of(now(floor)) - 60 * MINUTE
    gone, back = (minute_of(now(floor)) + MINUTE * at for at in (10, 20))
    change_policy(database_url, WITHOUT, gone)
    change_policy(database_url, FIRST, back)
    with closing(Seat(database_url, "w0")) as seat:
        errors = dict(list(bad_hour(begins).items())[:4])
        floor.count(errors, begins)
        assert told(seat.judge(None, always)) == []
        clock.forward(hours=1)
        # Half of what raises the signal lies on either side of the gap.
        floor.count({(minute - begins + back, part): n for (minute, part), n in errors.items()}, back)
        assert told(seat.judge(0, always)) == []
        assert len(floor.expected()) == 1, "without the gap it would have shifted"
    ledger.close()
    clock.close()
