"""Prints a lock of files of the Maven world anew: names, versions and sha256 sums, no addresses, so that a mirror does as
well.

    python tools/lock_parts.py KAFKA POSTGRES > rxpulse/stack.lock
    python tools/lock_parts.py --jars GROUP:NAME:VERSION... > tests/bench/peers/streams/jars.lock

The first resolves Kafka with all it needs and PostgreSQL for the four platforms, for example of 4.4.0 18.4.0; the second the
jars named with all they need, for example org.apache.kafka:kafka-streams:4.4.0
com.fasterxml.jackson.core:jackson-databind:2.21.7 org.slf4j:slf4j-simple:1.7.36.
"""

import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import truststore
from jgo.maven import Dependency, MavenContext

SLF4J = "1.7.36"  # without a logger the broker says nothing
PLATFORMS = ("linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8")


def main(roots: Sequence[str], alone: Sequence[str]) -> None:
    """Prints the roots with all they need, in order, and then those that stand alone."""
    truststore.inject_into_ssl()
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)

        def dependency(coordinate: str) -> Dependency:
            group, name, version = coordinate.split(":")
            return Dependency(context.project(group, name).at_version(version).artifact())

        inputs, transitive = context.resolver.resolve([dependency(root) for root in roots])
        for part in [*sorted(inputs + transitive, key=str), *map(dependency, alone)]:
            digest = hashlib.sha256(Path(part.artifact.resolve()).read_bytes()).hexdigest()
            print(f"{part.groupId}:{part.artifactId}:{part.version} sha256:{digest}")


def stack(kafka: str, postgres: str) -> tuple[Sequence[str], Sequence[str]]:
    """What a one-machine stack needs."""
    roots = (f"org.apache.kafka:kafka_2.13:{kafka}", f"org.slf4j:slf4j-simple:{SLF4J}")
    return roots, [f"io.zonky.test.postgres:embedded-postgres-binaries-{platform}:{postgres}" for platform in PLATFORMS]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--jars", *coordinates] if coordinates:
            main(coordinates, ())
        case [kafka, postgres]:
            main(*stack(kafka, postgres))
        case _:
            raise SystemExit(__doc__)
