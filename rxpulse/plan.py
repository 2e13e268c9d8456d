"""One stack, decided: its addresses, its keys, and for each part the question that shows that it works."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from models.errors import UsageFault
from models.settings import Secret, Settings
from rxpulse import ports
from rxpulse.keys import Keys
from rxpulse.questions import http_answers, kafka_cluster, postgres_answers
from rxpulse.supervisor import StackFailed

OWNER, PREFECT = "rxpulse", "prefect"
"""Roles of the database, and the names of the databases that they own."""
READER = "rxpulse_reader"
"""The role of dashboards: it reads the views of the store and nothing else."""
PARTS = ("kafka", "postgres", "worker", "prefect", "dispatcher", "reports", "console", "intake")
"""All parts, in the order in which `status` shows them."""
PROMETHEUS = "prometheus"
"""Runs beside the stack where this machine has it; no part of it, so that nothing depends on what is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One stack, decided: `given` are the settings as they came, `settings` with every address and key filled in;
    `cluster` is the id of our own broker, None where an outside one is used; `environ` what children inherit."""

    given: Settings
    settings: Settings
    keys: Keys
    base: int
    cluster: str | None
    environ: Mapping[str, str]

    @property
    def home(self) -> Path:
        """The folder of all data."""
        return self.settings.home

    @property
    def ports(self) -> dict[str, int]:
        """The nine ports by name, and the one after them, which nobody keeps free for it, of Prometheus."""
        return ports.block(self.base) | {PROMETHEUS: self.base + len(ports.NAMES)}


NEEDS: Mapping[str, tuple[str, ...]] = {
    "worker": ("kafka", "postgres"),
    "prefect": ("postgres",),
    "dispatcher": ("postgres",),
    "reports": ("postgres", "prefect"),
    "console": ("postgres",),
    "intake": ("kafka", "postgres"),
}
"""The servers without which a part cannot work."""


def check_only(given: Settings, only: Sequence[str]) -> None:
    """Whether the parts `only` (empty: all) have the servers that they need: beside them, or one of the settings. Raises
    UsageFault."""
    outside = {
        "kafka": ("KAFKA", given.kafka),
        "postgres": ("DATABASE_URL", given.database_url),
        "prefect": ("PREFECT_URL", given.prefect_url),
    }
    for part in only:
        missing = [need for need in NEEDS.get(part, ()) if need not in only and outside[need][1] is None]
        if missing:
            settings = " and ".join(f"RXPULSE_{outside[need][0]}" for need in missing)
            raise UsageFault(
                f"--only {part} needs {' and '.join(missing)}: add {' '.join(f'--only {need}' for need in missing)}, or"
                f" set {settings} to {'servers' if len(missing) > 1 else 'a server'} of your own"
            )


def check_policy(given: Settings) -> None:
    """Whether the file of RXPULSE_POLICY can be used, before anything is started with it. Raises UsageFault with every
    fault of it."""
    if given.policy is None:
        return
    from models.policy_text import PolicyFault, read  # needed once, and the supervisor that imports this lives long

    try:
        read(given.policy)
    except PolicyFault as found:
        count = len(found.faults)
        raise UsageFault(
            f"RXPULSE_POLICY has {count} {'fault' if count == 1 else 'faults'}, and nothing was started:\n{found}"
        ) from found


def decide(given: Settings, keys: Keys, base: int, cluster: str | None, environ: Mapping[str, str]) -> Plan:
    """Fills in what a stack provides by itself: the addresses of its own parts and the keys of its home."""
    port = ports.block(base)
    scheme = "https" if given.tls_cert else "http"
    own_database = Secret(f"postgresql://{OWNER}:{keys.owner}@127.0.0.1:{port['postgres']}/{OWNER}")
    settings = replace(
        given,
        kafka=given.kafka or f"127.0.0.1:{port['kafka']}",
        database_url=given.database_url or own_database,
        prefect_url=given.prefect_url or f"http://127.0.0.1:{port['prefect']}/api",
        prefect_auth=given.prefect_auth or (None if given.prefect_url else keys.prefect_auth),
        api_key=given.api_key or keys.api,
        pseudonym_key=given.pseudonym_key or keys.pseudonym,
        public_url=given.public_url or f"{scheme}://{_reachable(given.bind)}:{port['console']}",
    )
    return Plan(given=given, settings=settings, keys=keys, base=base, cluster=cluster, environ=environ)


def url(plan: Plan, part: str) -> str:
    """The address of a part as `status` shows it, without a password."""
    settings = plan.settings
    match part:
        case "kafka":
            return settings.required_kafka()
        case "postgres":
            found = urlsplit(settings.required_database_url())
            return found._replace(netloc=f"{found.username}@{found.hostname}:{found.port or 5432}").geturl()
        case "prefect":
            return (settings.prefect_url or "").removesuffix("/api")
        case "console" | "intake":
            scheme = "https" if settings.tls_cert else "http"
            return f"{scheme}://{_reachable(settings.bind)}:{plan.ports[part]}"
        case _:
            return f"http://{_reachable(settings.bind)}:{plan.ports[part]}"


def question(plan: Plan, part: str) -> Callable[[], Awaitable[None]]:
    """The readiness question of a part: raises NotReady or OSError while the answer is no."""
    match part:
        case "kafka":
            return lambda: _our_cluster(plan)
        case "postgres":
            found = urlsplit(plan.settings.required_database_url())
            return lambda: postgres_answers(found.hostname or "", found.port or 5432)
        case "prefect":
            return lambda: http_answers(f"{plan.settings.prefect_url}/ready")
        case "prometheus":
            return lambda: http_answers(f"{url(plan, part)}/-/ready")
        case _:
            return lambda: http_answers(f"{url(plan, part)}/readyz")


async def _our_cluster(plan: Plan) -> None:
    host, _, port = plan.settings.required_kafka().split(",")[0].strip().rpartition(":")
    seen = await kafka_cluster(host.strip("[]"), int(port))
    if plan.cluster is not None and seen != plan.cluster:
        raise StackFailed(
            f"port {port} answers as Kafka cluster {seen}, and ours is {plan.cluster}: a stranger's broker"
        )


def _reachable(bind: str) -> str:
    """An address under which this machine reaches what listens on `bind`."""
    address = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(bind, bind)
    return f"[{address}]" if ":" in address else address
