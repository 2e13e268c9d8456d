"""The database of the one-machine stack: a real PostgreSQL that listens on loopback and asks for passwords.

PostgreSQL refuses to run as root, so as root it runs under the account `postgres`, or `nobody` where there is none.
The data of one major version cannot be opened by another; then the start refuses and says what to do.
"""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from models.errors import CallerFault
from models.settings import Secret
from rxpulse.parts import POSTGRES_MAJOR
from rxpulse.process import Command, last_lines, run_once
from rxpulse.supervisor import StackFailed

ADMIN = "postgres"
# Who may hold how many at once; three more are kept for the administrator (superuser_reserved_connections).
CONNECTION_BUDGET = {
    "worker": 6,  # the writer, the reader, the judge of rates, the judge of feeds, the heartbeat, a spare
    "dispatcher": 8,  # LISTEN, the claim of due rows, and six that send at once
    "console": 12,  # a pool of ten and two for the live feed
    "intake": 4,
    "reports": 6,
    "prefect": 10,  # a pool of five and five beyond it, set in its environment
    "rxpulse_reader": 4,  # dashboards
    "commands": 11,  # status, verify, export, doctor, in several terminals
}
MAX_CONNECTIONS = sum(CONNECTION_BUDGET.values()) + 3

_WORKER = ("worker-", "reads for worker-", "judges for ")


def role_of(user: str, name: str) -> str:
    """Whose connection it is, by the database's role and the name that the program gave: a key of CONNECTION_BUDGET, or
    `admin`."""
    if user in CONNECTION_BUDGET:
        return user
    if name.startswith(_WORKER):
        return "worker"
    for role in ("dispatcher", "console", "intake", "reports"):
        if name.startswith(f"rxpulse {role}"):
            return role
    return "admin" if user == ADMIN else "commands"


def data_folder(home: Path) -> Path:
    """Where the database keeps its files."""
    return home / "postgres"


def admin_url(password: Secret, port: int) -> Secret:
    """The URL of the administrator of the stack's own server."""
    return Secret(f"postgresql://{ADMIN}:{password}@127.0.0.1:{port}/postgres")


def account() -> str | None:
    """The user to become when we are root, None when we are not. Raises CallerFault where there is none."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise CallerFault("PostgreSQL does not run as root, and there is no user postgres or nobody: `useradd -r postgres`")


def check_reachable(home: Path, user: str | None) -> None:
    """Whether `user` can pass through every folder down to `home`. Raises CallerFault."""
    for folder in (home, *home.parents) if user else ():
        if not folder.stat().st_mode & stat.S_IXOTH:
            raise CallerFault(
                f"PostgreSQL runs as user {user}, who cannot pass through {folder}: `chmod o+x {folder}`, or set"
                " RXPULSE_HOME to another place such as /var/lib/rxpulse"
            )


def check_major(home: Path) -> None:
    """Whether the data in `home`, if any, is of the major version that we run. Raises CallerFault."""
    kept = data_folder(home) / "PG_VERSION"
    if kept.exists() and (major := kept.read_text().strip()) != POSTGRES_MAJOR:
        raise CallerFault(
            f"{home} holds data of PostgreSQL {major}, and this RxPulse runs PostgreSQL {POSTGRES_MAJOR}: start it with"
            " the release of RxPulse that made it, or set RXPULSE_HOME to a new folder; the events can be read"
            " again from Kafka, the record of who was told cannot"
        )


def argv(programs: Path, home: Path, port: int) -> tuple[str, ...]:
    """The server, without a Unix socket and without TLS: nobody reaches it but over loopback."""
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": MAX_CONNECTIONS,
        "shared_buffers": "64MB",
        "password_encryption": "scram-sha-256",
        # What a statement or a row holds is not for a log.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
    flags = (part for name, value in options.items() for part in ("-c", f"{name}={value}"))
    return (str(programs / "bin" / "postgres"), "-D", str(data_folder(home)), *flags)


async def prepare(home: Path, programs: Path, user: str | None, password: str, env: Mapping[str, str]) -> None:
    """Makes the database's files where there are none: whole or not at all. Raises StackFailed."""
    data, log = data_folder(home), home / "logs" / "postgres-init.log"
    if data.exists():
        return
    half = data.with_name("postgres.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=home) as secret:
        secret.write(password)
        secret.flush()
        for path in (half, secret.name) if user else ():
            shutil.chown(path, user)
        initdb = (str(programs / "bin" / "initdb"), "-D", str(half), "-U", ADMIN, f"--pwfile={secret.name}")
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")
        code = await run_once(Command(argv=(*initdb, *options), env=env, account=user), log)
    if code != 0:
        raise StackFailed(
            f"the database could not be made (exit {code}); the last lines of {log}:\n" + "\n".join(last_lines(log))
        )
    half.rename(data)
