"""The memory of RxPulse: the only place that knows SQL.

Each part of RxPulse sees it through a protocol of its own, made of the verbs that it needs: the worker's `Ledger`. The
store in PostgreSQL and the one in memory keep to the same suite of tests.
"""


def migrate(database_url: str) -> None:
    """Brings the database to this release's tables."""
    from models.store.migrating import migrate as bring_up_to_date

    bring_up_to_date(database_url)


def mint_first_link(database_url: str, public_url: str) -> str:
    """An address that signs in at the console once, within half an hour. Raises DatabaseAway."""
    from models.store.access import mint_first_link as mint

    return mint(database_url, public_url)
