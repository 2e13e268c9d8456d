"""Prints `rxpulse/stack.lock` anew: python tools/lock_parts.py KAFKA POSTGRES > rxpulse/stack.lock

Resolves Kafka with all it needs and PostgreSQL for the four platforms, once, and writes names, versions and sha256
sums: no addresses, so that a mirror does as well. For example: python tools/lock_parts.py 4.4.0 18.4.0
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import truststore
from jgo.maven import Dependency, MavenContext

SLF4J = "1.7.36"  # without a logger the broker says nothing
PLATFORMS = ("linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8")


def main(kafka: str, postgres: str) -> None:
    truststore.inject_into_ssl()
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)

        def dependency(group: str, name: str, version: str) -> Dependency:
            return Dependency(context.project(group, name).at_version(version).artifact())

        wanted = [dependency("org.apache.kafka", "kafka_2.13", kafka), dependency("org.slf4j", "slf4j-simple", SLF4J)]
        inputs, transitive = context.resolver.resolve(wanted)
        servers = [
            dependency("io.zonky.test.postgres", f"embedded-postgres-binaries-{platform}", postgres)
            for platform in PLATFORMS
        ]
        for part in [*sorted(inputs + transitive, key=str), *servers]:
            digest = hashlib.sha256(Path(part.artifact.resolve()).read_bytes()).hexdigest()
            print(f"{part.groupId}:{part.artifactId}:{part.version} sha256:{digest}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
