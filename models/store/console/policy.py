"""The policy as the console reads and writes it."""

from models.errors import CallerFault
from models.policy import Policies, Policy
from models.policy_text import Parsed
from models.store.console.lending import Lending
from models.store.policies import Version, enact, latest, read_policies, stored


class PolicyStore(Lending):
    """Every version of the policy; versions known are not read again."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self._policies: Policies | None = None

    def policies(self) -> Policies | None:
        """Every version of the policy; None before the first one is in the store."""
        with self._pool.connection() as connection:
            found = read_policies(connection, self._policies)
        if found is not None:
            self._policies = found
        return self._policies

    def policy(self) -> Policy | None:
        """The latest policy; None before the first one is in the store."""
        found = self.policies()
        return None if found is None else found.latest

    def last_version(self) -> Version | None:
        """The version of the policy that was recorded last."""
        with self._pool.connection() as connection:
            return latest(connection)

    def last_policy(self) -> tuple[int, Parsed]:
        """Its number and content. Raises CallerFault where there is none."""
        found = self.last_version()
        if found is None:
            raise CallerFault("there is no policy in the store yet")
        return found.number, stored(self._database_url, found.number)

    def enact(self, version: Parsed, after: int, author: str) -> Version:
        """As `policies.enact`, as soon as can be, after the version of number `after`."""
        return enact(self._database_url, version, None, author, after=after)
