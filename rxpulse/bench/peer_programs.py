"""The peers as programs: where their source lies, and how each becomes something that runs.

They belong to the repository and to no installation. A peer in Python gets an environment of its own, made once for each
state of its lock, so that nothing of it reaches RxPulse's own packages; the one in Java is compiled by the machine's own
JDK against jars that its lock names.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rxpulse
from models.errors import CallerFault, UsageFault
from rxpulse import parts
from rxpulse.output import Say

JDK_AT_LEAST = 17
_HEAP = ("-Xms1g", "-Xmx1g")
_MADE = ".made"


class CannotRun(CallerFault):
    """A peer has no figure here; the message says why."""


@dataclass(frozen=True, slots=True)
class InPython:
    """`program` is a file of the folder of peers, `lock` another one that names all packages with their sums."""

    program: str
    lock: str


@dataclass(frozen=True, slots=True)
class InJava:
    """`main` is a class with its source in `folder` below the folder of peers, beside the lock of its jars."""

    folder: str
    main: str


Program = InPython | InJava


def source() -> Path:
    """The folder of all peers. Raises UsageFault where this is an installation and no checkout."""
    found = Path(rxpulse.__file__).parents[1] / "tests" / "bench" / "peers"
    if not found.is_dir():
        raise UsageFault(f"--peers needs a checkout of RxPulse's repository: there is no {found}")
    return found


def command(program: Program, cache: Path, mirror: str | None, say: Say) -> tuple[str, ...]:
    """How to run it; what it needs is fetched and made on the first call. Raises CannotRun."""
    match program:
        case InPython():
            return _python(program, cache, say)
        case InJava():
            return _java(program, cache, mirror, say)


def _python(program: InPython, cache: Path, say: Say) -> tuple[str, ...]:
    lock = source() / program.lock
    folder = _place(cache, lock.stem, lock.read_bytes() + sys.version.encode())
    python = folder / "bin" / "python"
    if not (folder / _MADE).exists():
        _clear(folder, lock.stem)
        say(f"  making an environment for {lock.stem} (once)")
        env = {"UV_SYSTEM_CERTS": "1", "UV_LINK_MODE": "copy"} | os.environ
        for words in _environment(folder, python, lock):
            _run(words, env, f"its environment cannot be made from {lock.name}")
        (folder / _MADE).touch()
    return (str(python), str(source() / program.program))


def _environment(folder: Path, python: Path, lock: Path) -> Sequence[Sequence[str]]:
    """The commands that make it: by uv where it is there. What would have to be compiled is refused."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    wanted = ("--only-binary", ":all:", "--require-hashes", "-r", str(lock))
    if uv is None:
        return (sys.executable, "-m", "venv", str(folder)), (str(python), "-m", "pip", "install", "-q", *wanted)
    return (uv, "venv", "-q", "-p", sys.executable, str(folder)), (
        uv,
        "pip",
        "install",
        "-q",
        "-p",
        str(python),
        *wanted,
    )


def _java(program: InJava, cache: Path, mirror: str | None, say: Say) -> tuple[str, ...]:
    java, javac = jdk(os.environ)
    place = source() / program.folder
    text, lock = place / f"{program.main}.java", place / "jars.lock"
    try:
        jars = parts.fetch(parts.read_lock(lock), cache / "maven", mirror, lambda line: say(f"  {line}"))
    except CallerFault as fault:
        raise CannotRun(str(fault)) from fault
    path = os.pathsep.join(map(str, jars))
    classes = _place(cache, program.folder, text.read_bytes() + lock.read_bytes())
    if not (classes / _MADE).exists():
        _clear(classes, program.folder)
        _run((str(javac), "-d", str(classes), "-cp", path, str(text)), os.environ, f"{text.name} cannot be compiled")
        (classes / _MADE).touch()
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return (str(java), *_HEAP, quiet, "-cp", os.pathsep.join((str(classes), path)), program.main)


def jdk(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Java and its compiler, of the JDK of this machine. Raises CannotRun where there is none, or one too old."""
    told = environ.get("JAVA_HOME")
    found = shutil.which("javac", path=str(Path(told, "bin")) if told else environ.get("PATH", os.defpath))
    if found is None:
        raise CannotRun(f"there is no JDK: install one of at least {JDK_AT_LEAST}, or name it by JAVA_HOME")
    javac = Path(found).resolve()
    said = _run((str(javac), "-version"), environ, "the JDK does not answer")
    major = release(said)
    if major is None or major < JDK_AT_LEAST:
        raise CannotRun(f"{javac} is {said.strip()}: a JDK of at least {JDK_AT_LEAST} is needed")
    return javac.with_name("java"), javac


def release(said: str) -> int | None:
    """Of `javac 17.0.15` the 17; None where it says something else."""
    _, _, version = said.strip().rpartition(" ")
    first = version.split(".")[0]
    return int(first) if first.isdigit() else None


def _run(words: Sequence[str], env: Mapping[str, str], trouble: str) -> str:
    try:
        done = subprocess.run(words, env=dict(env), capture_output=True, text=True, check=False)
    except OSError as fault:
        raise CannotRun(f"{trouble}: {fault}") from fault
    said = (done.stdout + done.stderr).strip()
    if done.returncode:
        raise CannotRun(f"{trouble}: {' '.join(said.splitlines()[-3:])}")
    return said


def _place(cache: Path, name: str, made_of: bytes) -> Path:
    return cache / "bench" / "peers" / f"{name}-{hashlib.sha256(made_of).hexdigest()[:12]}"


def _clear(folder: Path, name: str) -> None:
    """Room for it: whatever was made before, from an older lock or half, goes."""
    for older in folder.parent.glob(f"{name}-*"):
        shutil.rmtree(older)
    folder.parent.mkdir(parents=True, exist_ok=True)
