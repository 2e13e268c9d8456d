"""What people do at the console about escalations, signals and messages."""

from collections.abc import Sequence

from models.errors import CallerFault
from models.links import LinkFault
from models.policy import Channel
from models.store import answering, contacting, gone, linking
from models.store.console.policy import PolicyStore
from models.store.messages import Voice


class Answering(PolicyStore):
    """The answers of who does something."""

    def acknowledge(
        self, escalation: str, person: str, note: str
    ) -> answering.Standing | answering.Over | answering.Unknown:
        """As `answering.acknowledge`."""
        with self._pool.connection() as connection:
            return answering.acknowledge(connection, escalation, person, note)

    def release(
        self, escalation: str, person: str, note: str
    ) -> answering.Moved | answering.Free | answering.Over | answering.Unknown:
        """As `answering.release`."""
        with self._pool.connection() as connection:
            return answering.release(connection, escalation, person, note)

    def pass_on(
        self, escalation: str, person: str, to: str | None, note: str
    ) -> answering.Moved | answering.Stranger | answering.Has | answering.Over | answering.Unknown:
        """As `answering.pass_on`, to people of the latest policy."""
        policy = self.policy()
        people = policy.people if policy else ()
        with self._pool.connection() as connection:
            return answering.pass_on(connection, escalation, person, to, people, note)

    def resolve(
        self, escalation: str, person: str, code: str, note: str
    ) -> answering.Ended | answering.Over | answering.Unknown:
        """As `answering.resolve`."""
        with self._pool.connection() as connection:
            return answering.resolve(connection, escalation, person, code, note)

    def resolve_signal(
        self, signal: str, person: str, code: str, note: str
    ) -> answering.Ended | answering.NotByHand | answering.Over | answering.Unknown:
        """As `answering.resolve_signal`."""
        with self._pool.connection() as connection:
            return answering.resolve_signal(connection, signal, person, code, note)

    def resolve_many(
        self, signals: Sequence[str], person: str, code: str, note: str
    ) -> dict[str, answering.Ended | answering.NotByHand | answering.Over | answering.Unknown]:
        """As `answering.resolve_many`."""
        with self._pool.connection() as connection:
            return answering.resolve_many(connection, signals, person, code, note)

    def offer(self, token: str) -> linking.Offer | LinkFault | linking.Spent | answering.Unknown:
        """As `linking.offer`."""
        with self._pool.connection() as connection:
            return linking.offer(connection, token)

    def acknowledge_by_link(
        self, token: str, note: str
    ) -> answering.Standing | answering.Over | answering.Unknown | LinkFault | linking.Spent:
        """As `linking.acknowledge_by_link`."""
        with self._pool.connection() as connection:
            return linking.acknowledge_by_link(connection, token, note)

    def send_test(self, voice: Voice, person: str, channel: Channel) -> str:
        """As `contacting.send_test`, to a person of the latest policy; the key of the delivery."""
        policy = self.policy()
        if policy is None:
            raise CallerFault("there is no policy in the store yet")
        with self._pool.connection() as connection:
            return contacting.send_test(connection, voice, policy, person, [channel])[0]

    def tried(self, key: str) -> contacting.Tried:
        """How the test message with this key stands."""
        with self._pool.connection() as connection:
            return contacting.tried(connection, [key])[0]

    def tests(self) -> list[contacting.Test]:
        """As `contacting.tests`."""
        with self._pool.connection() as connection:
            return contacting.tests(connection)

    def gone(self) -> dict[str, gone.Gone]:
        """The people of the latest policy whose webhook is gone, by their keys."""
        policy = self.policy()
        with self._pool.connection() as connection:
            found = gone.all_gone(connection, policy.people.values() if policy else ())
        return {one.person: one for one in found}
