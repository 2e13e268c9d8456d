"""Who is connected to the server of the store now, and how many it takes: asked of PostgreSQL, so it needs no tables."""

from dataclasses import dataclass

from models.store.connecting import asking


@dataclass(frozen=True, slots=True)
class Connected:
    """How many connections one program has, by the name that it gave and the role of the database that it is."""

    user: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """`most` is how many connections the server takes at once (max_connections); the last few are kept for its
    administrator."""

    connected: tuple[Connected, ...]
    most: int


def crowd(database_url: str) -> Crowd:
    """Everybody who is connected, whoever asks. Raises DatabaseAway."""
    with asking(database_url, "rxpulse doctor") as connection:
        [(most,)] = connection.execute("SELECT current_setting('max_connections')::int").fetchall()
        rows = connection.execute(_CONNECTED).fetchall()
    return Crowd(tuple(Connected(*row) for row in rows), most)


# What kind a process of another role is, PostgreSQL hides from all but its administrator. Whoever is in a database under a
# name is a client.
_CONNECTED = """
SELECT usename, coalesce(application_name, ''), count(*) FROM pg_stat_activity
WHERE usename IS NOT NULL AND datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
GROUP BY 1, 2 ORDER BY 1, 2
"""
