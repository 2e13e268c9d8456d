"""What a one-machine stack consists of: each part, what it needs first, and the question that shows that it works.

The roles of RxPulse are the same programs that run in containers; here as there they are set up by environment
variables alone. A role that this installation does not have (its command is missing) is left out.
"""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from models.settings import PREFIX
from rxpulse import cli, kafka, postgres, prometheus
from rxpulse.keys import API_KEY, PREFECT_AUTH, PSEUDONYM_KEY
from rxpulse.plan import NEEDS, PREFECT, PROMETHEUS, Plan, question, url
from rxpulse.process import Command
from rxpulse.supervisor import Service, Task, Unit, Weight

ROLES = ("worker", "dispatcher", "reports", "console", "intake")
STOPPED_ON_PURPOSE = 3
"""Exit code of a worker that must not be started again before somebody has looked."""
_ESSENTIAL_ROLES = ("worker", "dispatcher")
_TASKS = {
    "migrate": {role for role in ROLES if "postgres" in NEEDS[role]},
    "topics": {role for role in ROLES if "kafka" in NEEDS[role]},
}
"""What has to be made before these roles start."""
_PATHS = ("POLICY", "TLS_CERT", "TLS_KEY", "KAFKA_CA", "CACHE")


def units(plan: Plan, java: Sequence[Path], programs: Path | None, only: Sequence[str] = ()) -> list[Unit]:
    """The parts to run. `java` is Java followed by Kafka's jars, empty for an outside broker; `programs` holds
    PostgreSQL, None for an outside one. `only` names parts; empty means all that exist."""
    wanted: list[Unit] = []
    if java:
        wanted.append(_kafka(plan, java))
    if programs:
        wanted.extend((_postgres(plan, programs), _own_task(plan, "provision", "_provision", needs=("postgres",))))
    if plan.given.prefect_url is None:
        wanted.append(_prefect(plan))
    if find_spec("models.store.tables"):
        wanted.append(_own_task(plan, "migrate", "_migrate", needs=("provision",)))
    if cli.exists("topics"):
        wanted.append(_own_task(plan, "topics", "topics", "create", needs=("kafka",)))
    wanted.extend(_role(plan, role) for role in ROLES if cli.exists(role))
    if only:
        chosen = {*only, *(("provision",) if "postgres" in only else ())}
        chosen |= {task for task, users in _TASKS.items() if chosen & users}
        wanted = [unit for unit in wanted if unit.name in chosen]
    elif program := prometheus.program(plan.environ, plan.ports[PROMETHEUS]):
        wanted.append(_prometheus(plan, program))
    names = {unit.name for unit in wanted}
    return [replace(unit, needs=tuple(need for need in unit.needs if need in names)) for unit in wanted]


def prometheus_settings(plan: Plan) -> str:
    """The settings file of the Prometheus beside the stack."""
    targets = {role: url(plan, role) for role in ROLES if cli.exists(role)}
    key = None if plan.given.api_key else plan.keys.folder / API_KEY
    return prometheus.configuration(targets, key, prometheus.rules())


def java_command(plan: Plan, java: Sequence[Path], main: str, *arguments: str) -> Command:
    """A program of Kafka; on our death it is asked to stop, as its storage likes it."""
    argv = kafka.argv(java[0], java[1:], plan.settings.kafka_heap_mib, main, *arguments)
    return Command(argv=argv, env=_plain(plan), death_signal=signal.SIGTERM)


def _kafka(plan: Plan, java: Sequence[Path]) -> Service:
    properties = plan.home / "state" / "kafka.properties"
    return Service(
        name="kafka",
        command=java_command(plan, java, "kafka.Kafka", str(properties)),
        ready=question(plan, "kafka"),
        url=url(plan, "kafka"),
        stop_within=20.0,
    )


def _postgres(plan: Plan, programs: Path) -> Service:
    argv = postgres.argv(programs, plan.home, plan.ports["postgres"])
    env = {"PATH": os.defpath, "LC_ALL": "C", PREFIX + "HOME": str(plan.home)}
    command = Command(argv=argv, env=env, account=postgres.account(), death_signal=signal.SIGINT)
    return Service(
        name="postgres",
        command=command,
        ready=question(plan, "postgres"),
        url=url(plan, "postgres"),
        # SIGINT is PostgreSQL's fast shutdown: it ends sessions instead of waiting for them.
        stop_signal=signal.SIGINT,
        stop_within=30.0,
        # After a power cut it first reads its log again: to end it meanwhile would only begin that anew.
        ready_within=600.0,
    )


def _prefect(plan: Plan) -> Service:
    port = plan.ports["prefect"]
    return Service(
        name="prefect",
        command=Command(
            argv=(sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)),
            env=_python(plan) | _prefect_server(plan),
        ),
        ready=question(plan, "prefect"),
        needs=("provision",),
        url=url(plan, "prefect"),
        weight=Weight.WANTED,
        ready_within=120.0,
    )


def _role(plan: Plan, role: str) -> Service:
    return Service(
        name=role,
        command=_own(plan, role, port=plan.ports[role]),
        ready=question(plan, role),
        needs=("kafka", "postgres", "migrate", "topics", *(("prefect",) if role == "reports" else ())),
        url=url(plan, role),
        weight=Weight.ESSENTIAL if role in _ESSENTIAL_ROLES else Weight.WANTED,
        stays_down_on=frozenset({STOPPED_ON_PURPOSE}) if role == "worker" else frozenset(),
    )


def _prometheus(plan: Plan, program: str) -> Service:
    """Beside the stack and no part of it: whatever becomes of it, the stack is as healthy as without."""
    return Service(
        name=PROMETHEUS,
        command=Command(argv=prometheus.argv(program, plan.home, plan.ports[PROMETHEUS]), env=_plain(plan)),
        ready=question(plan, PROMETHEUS),
        url=url(plan, PROMETHEUS),
        weight=Weight.BYSTANDER,
        stays_down_on=frozenset({1, 2}),
    )


def _own_task(plan: Plan, name: str, *arguments: str, needs: tuple[str, ...]) -> Task:
    return Task(name=name, command=_own(plan, *arguments), needs=needs)


def _own(plan: Plan, *arguments: str, port: int | None = None) -> Command:
    """One of RxPulse's own commands, set up by its environment alone."""
    own_port = {PREFIX + "PORT": str(port)} if port else {}
    return Command(argv=(sys.executable, "-m", "rxpulse", *arguments), env=role_environment(plan) | own_port)


def role_environment(plan: Plan) -> dict[str, str]:
    """The environment of every role of this stack, its own port excepted."""
    given, settings, keys = plan.given, plan.settings, plan.keys.folder
    said = {
        "HOME": str(plan.home),
        "PORTS": str(plan.base),
        "KAFKA": settings.kafka,
        "DATABASE_URL": settings.database_url,
        "PREFECT_URL": settings.prefect_url,
        "PREFECT_AUTH_FILE": None if given.prefect_url else str(keys / PREFECT_AUTH),
        "API_KEY_FILE": None if given.api_key else str(keys / API_KEY),
        "PSEUDONYM_KEY_FILE": None if given.pseudonym_key else str(keys / PSEUDONYM_KEY),
        "PUBLIC_URL": settings.public_url,
        "POLICY": str(settings.policy) if settings.policy else None,
    }
    env = _python(plan) | _prefect_client(plan)
    for name, value in said.items():
        if value is not None:
            plain = name.removesuffix("_FILE")
            env.pop(PREFIX + plain, None)
            env.pop(PREFIX + plain + "_FILE", None)
            env[PREFIX + name] = value
    return env


def _plain(plan: Plan) -> dict[str, str]:
    """What everything inherits, with paths that hold in any working folder. PREFECT_... of the caller would reach the
    wrong server."""
    env = {name: value for name, value in plan.environ.items() if not name.startswith("PREFECT_")}
    for name, value in env.items():
        if name.startswith(PREFIX) and value and (name.endswith("_FILE") or name.removeprefix(PREFIX) in _PATHS):
            env[name] = str(Path(value).expanduser().absolute())
    return env | {PREFIX + "HOME": str(plan.home)}


def _python(plan: Plan) -> dict[str, str]:
    return _plain(plan) | {"PYTHONUNBUFFERED": "1"}


def _prefect_client(plan: Plan) -> dict[str, str]:
    """For whatever imports Prefect: its own folder in the home, and no word to its makers."""
    env = {
        "PREFECT_HOME": str(plan.home / "prefect"),
        "PREFECT_API_URL": plan.settings.prefect_url or "",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    if plan.settings.prefect_auth:
        env["PREFECT_API_AUTH_STRING"] = plan.settings.prefect_auth
    return env


def _prefect_server(plan: Plan) -> dict[str, str]:
    """A Prefect server behind a password, that clears away its old events and runs."""
    env = _prefect_client(plan) | {
        "PREFECT_SERVER_API_AUTH_STRING": plan.keys.prefect_auth,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "5",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": str(postgres.CONNECTION_BUDGET["prefect"] - 5),
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    }
    if plan.given.database_url is None:
        where = f"127.0.0.1:{plan.ports['postgres']}/{PREFECT}"
        env["PREFECT_API_DATABASE_CONNECTION_URL"] = f"postgresql+asyncpg://{PREFECT}:{plan.keys.prefect}@{where}"
    return env
