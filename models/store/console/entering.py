"""Who comes in: links, accounts, sessions and tokens, and what is written down of what they do."""

from models.store import access, accounts, auditing, tokens
from models.store.console.lending import Lending
from models.store.rights import Rights


class Entering(Lending):
    """Signing in and out, accounts, tokens and the audit."""

    def link_holds(self, token: str) -> bool:
        """As `access.link_holds`."""
        with self._pool.connection() as connection:
            return access.link_holds(connection, token)

    def enter(self, token: str, person: str) -> access.Opened | None:
        """As `access.enter`."""
        with self._pool.connection() as connection, connection.transaction():
            return access.enter(connection, token, person)

    def sign_in(self, name: str, password: str) -> access.Opened | accounts.Wrong | accounts.Closed:
        """As `accounts.sign_in`."""
        with self._pool.connection() as connection:
            return accounts.sign_in(connection, name, password)

    def session(self, cookie: str, *, touch: bool = True) -> access.Session | None:
        """As `access.session`."""
        with self._pool.connection() as connection:
            return access.session(connection, cookie, touch=touch)

    def leave(self, cookie: str) -> None:
        """As `access.leave`."""
        with self._pool.connection() as connection:
            access.leave(connection, cookie)

    def record(self, person: str, what: str, ref: str | None = None) -> None:
        """As `auditing.record`."""
        with self._pool.connection() as connection:
            auditing.record(connection, person, what, ref)

    def audit(self, wanted: auditing.Wanted, limit: int) -> tuple[list[auditing.Line], list[str]]:
        """The lines asked for, newest first, and everything that was ever done."""
        with self._pool.connection() as connection:
            return auditing.lines(connection, wanted, limit), auditing.kinds(connection)

    def accounts_of(self, rights: Rights) -> list[accounts.Account]:
        """The accounts of nobody but the sites of `rights`."""
        with self._pool.connection() as connection:
            return [one for one in accounts.listed(connection) if rights.over(one.rights.sites)]

    def add_account(self, name: str, rights: Rights, password: str, by: str) -> None:
        """As `accounts.add`."""
        accounts.add(self._database_url, name, rights, password, by)

    def change_account(self, name: str, rights: Rights, by: str) -> None:
        """As `accounts.change_rights`."""
        accounts.change_rights(self._database_url, name, rights, by)

    def change_password(self, name: str, password: str, by: str) -> None:
        """As `accounts.change_password`."""
        accounts.change_password(self._database_url, name, password, by)

    def disable_account(self, name: str, by: str) -> None:
        """As `accounts.disable`."""
        accounts.disable(self._database_url, name, by)

    def tokens_of(self, rights: Rights) -> list[tokens.Kept]:
        """The tokens of nothing but the sites of `rights`."""
        with self._pool.connection() as connection:
            return [one for one in tokens.listed(connection) if rights.over(tuple(one.token.sites))]

    def add_token(self, token: tokens.Token, by: str) -> str:
        """As `tokens.add`."""
        return tokens.add(self._database_url, token, by)

    def revoke_token(self, name: str, by: str) -> None:
        """As `tokens.revoke`."""
        tokens.revoke(self._database_url, name, by)

    def token(self, text: str) -> tokens.Token | None:
        """The token of this text; None where it is none of ours, or taken back."""
        with self._pool.connection() as connection:
            return tokens.standing(connection).get(tokens.hashed(text))
