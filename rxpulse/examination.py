"""What `doctor` looks at: this machine, this home, the stack that runs or last ran in it. In a container, or on a host with
workers of its own, there is no stack in the home; there it looks at the servers that it is given.

Each look gives findings: good ones, warnings, and faults with the remedy. Nothing is changed by looking.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from models.errors import CallerFault
from models.policy_text import PolicyFault, read
from models.settings import Secret, Settings, unknown_names
from rxpulse import home as homes
from rxpulse import keys, parts, ports, postgres, running, status
from rxpulse.findings import Finding, Level, Look
from rxpulse.plan import Plan, url
from rxpulse.supervisor import Phase


def examine(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """All findings. A look that meets a fault of the caller's gives it as a finding."""
    findings: list[Finding] = []
    for look in _ELSEWHERE if running.elsewhere(settings) else _HERE:
        try:
            findings.extend(look(settings, environ))
        except CallerFault as fault:
            what, _, remedy = str(fault).partition(": ")
            findings.append(Finding(Level.FAULT, what, remedy))
    return findings


def _variables(_: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in unknown_names(environ):
        yield Finding(Level.WARNING, f"{name} is no setting of RxPulse", "correct its spelling or unset it")


def _exposure(settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    settings.check_exposure()
    yield from ()


def _policy(settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    """The file of RXPULSE_POLICY, with which a first start would be refused; what holds in a running stack is its store's."""
    if settings.policy is None:
        return
    try:
        read(settings.policy)
    except PolicyFault as found:
        what = f"RXPULSE_POLICY: {len(found.faults)} faults in {settings.policy}, the first: {found.faults[0]}"
        yield Finding(Level.FAULT, what, f"`rxpulse policy check {settings.policy}` names each with its remedy")


def _programs(settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    if settings.kafka is None:
        yield _java(parts.java())
    locked = parts.read_lock()
    wanted = parts.kafka_parts(locked) if settings.kafka is None else []
    if settings.database_url is None:
        wanted = [*wanted, parts.postgres_part(locked)]
    missing = [part for part in wanted if not parts.intact(part, settings.cache / "maven")]
    if missing:
        yield Finding(Level.WARNING, f"{len(missing)} of {len(wanted)} files are still to be fetched into the cache")
    elif wanted:
        yield Finding(Level.GOOD, f"all {len(wanted)} files of Kafka and PostgreSQL are in {settings.cache}, intact")


def _java(java: Path) -> Finding:
    ran = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        return Finding(Level.FAULT, f"{java} does not run: {ran.stderr.strip()[:300]}", "run `./run setup` again")
    return Finding(Level.GOOD, f"Java runs ({(ran.stderr or ran.stdout).splitlines()[0]})")


def _home(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    home = settings.home
    if not home.exists():
        yield Finding(Level.GOOD, f"{home} does not exist yet: the first start makes it")
        return
    yield from _room(settings, environ)
    if not (home / homes.MARKER).exists() and any(home.iterdir()):
        raise CallerFault(f"{home} is not empty and no home of RxPulse: set RXPULSE_HOME elsewhere")
    if settings.database_url is None:
        postgres.check_reachable(home, postgres.account())
        postgres.check_major(home)
    free, held = shutil.disk_usage(home).free / 2**30, homes.size_bytes(home) / 2**20
    whose = " of the demo" if homes.purpose_of(home) is homes.Purpose.DEMO else ""
    yield Finding(Level.GOOD, f"{home} holds {held:.0f} MiB{whose}; {free:.1f} GiB are free")


def _room(settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    home = settings.home
    if not home.exists():
        return
    if not home.is_dir():
        raise CallerFault(f"{home} is a file, no folder: set RXPULSE_HOME to a folder")
    if warning := homes.space_warning(home):
        what, _, remedy = warning.partition(": ")
        yield Finding(Level.WARNING, what, remedy)


def _keys(settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    folder = settings.home / keys.FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(Level.FAULT, f"{path} can be read by others", f"`chmod 600 {path}`")
        if path.stat().st_uid != os.geteuid():
            yield Finding(Level.WARNING, f"{path} belongs to another user", "run rxpulse as the user who started it")


def _ports(settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    state = running.running_state(settings.home)
    if state is not None:
        yield Finding(Level.GOOD, f"the running stack has the ports from {state.base} on")
        return
    base = ports.choose(settings.ports, settings.bind, None)
    if settings.ports not in ("auto", base):
        yield Finding(Level.WARNING, f"ports from {settings.ports} on are taken: a start would use {base} on")
    else:
        yield Finding(Level.GOOD, f"a start finds its ports free (from {base} on)")


def _stack(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    state = homes.read_state(settings.home)
    if state is None:
        return
    logs = settings.home / "logs"
    if not state.running:
        if state.failure:
            yield Finding(Level.FAULT, f"the last stack ended: {state.failure}", f"mend that; the logs are in {logs}")
        elif state.killed:
            what, _, remedy = (running.absence(settings.home) or "").rpartition(": ")
            yield Finding(Level.FAULT, what, remedy)
        else:
            yield Finding(Level.GOOD, "no stack runs")
        return
    for part in status.document(settings, environ)["parts"]:
        if part["healthy"]:
            yield Finding(Level.GOOD, f"{part['name']} is healthy")
        else:
            what = f"{part['name']} is not healthy: {part['detail']}"
            yield Finding(Level.FAULT, what, _remedy(part, state, settings.home))


def _remedy(part: status.Document, state: homes.StackState, home: Path) -> str:
    """What brings a part back."""
    from models.store.connecting import says_full  # the driver has been loaded for the status by now

    name = part["name"]
    if name not in {one.name for one in state.parts}:
        return "it is a server of your own, outside this stack: bring it back there"
    if name == "postgres" and says_full(part["detail"]):
        return "see who holds its connections: it is said in this list"
    start = running.start_of(home)
    if any(one.name == name and one.phase == Phase.STAYS_DOWN for one in state.parts):
        return f"mend that first, or it stops again; then `rxpulse down` and `{start}` start it"
    return f"see {home / 'logs'}/{name}.log; `rxpulse down` and `{start}` start it again"


def _within(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What the running stack's store and topics show; nothing is loaded for it where none runs."""
    plan = running.running_plan(settings, environ)
    if plan is None:
        return
    from rxpulse.running_examination import examine_running

    yield from examine_running(plan.settings, plan.home, f"{url(plan, 'worker')}/metrics", _admin(plan))


def _admin(plan: Plan) -> Secret | None:
    """The administrator of the stack's own PostgreSQL; of another one whoever the settings name."""
    if plan.given.database_url is not None:
        return plan.given.admin_url
    return postgres.admin_url(plan.keys.admin, plan.ports["postgres"])


def _servers(settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    """What the store and the topics of the given servers show."""
    from rxpulse.running_examination import examine_running

    yield Finding(
        Level.GOOD, f"no stack runs in {settings.home}: the servers of RXPULSE_KAFKA and RXPULSE_DATABASE_URL count"
    )
    yield from examine_running(settings, None, None, settings.admin_url)


_HERE: tuple[Look, ...] = (_variables, _exposure, _policy, _programs, _home, _keys, _ports, _stack, _within)
_ELSEWHERE: tuple[Look, ...] = (_variables, _exposure, _policy, _room, _servers)
