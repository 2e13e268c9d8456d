"""Three hosts on a switch, whose links can be cut: network namespaces of this machine.

Each has an address of its own, and a second one under which PostgreSQL and whoever asks it know each other, so that a worker
may lose the way to one server alone.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.conftest import require_program

SERVERS, ONE, TWO = "servers", "one", "two"
_ADDRESSES = {SERVERS: 1, ONE: 2, TWO: 3}
_SECOND = 10
"""So much higher is the second address of each."""
_NOBODY = "02:00:00:00:00:99"
"""A network card that there is none of."""
_HERE = 254
"""This process's own address on the switch ends so."""


class Hosts:
    """Those of one test; `mark` tells them apart from everybody else's, `net` are the first three bytes of their addresses."""

    def __init__(self, mark: str, net: str) -> None:
        self._mark, self._net = mark, net

    def address(self, host: str) -> str:
        """The one under which Kafka is reached, or whoever reads from it."""
        return f"{self._net}.{_ADDRESSES[host]}"

    def second(self, host: str) -> str:
        """The one under which PostgreSQL is reached, or whoever asks it."""
        return f"{self._net}.{_SECOND + _ADDRESSES[host]}"

    def command(self, host: str) -> Sequence[str]:
        """What goes before a command that is to run there."""
        return "ip", "netns", "exec", self._named(host)

    def cut(self, host: str) -> None:
        """Pulls its plug out of the switch: both ends keep their addresses, and nobody is told."""
        self._switch("link", "set", host, "down")

    def heal(self, host: str) -> None:
        self._switch("link", "set", host, "up")

    def part(self, host: str, server: str) -> None:
        """From now on what a host and one server (`kafka` or `postgres`) send each other goes to a card that nobody has: it
        vanishes, and nobody is told."""
        for name, other in self._ends(host, server):
            known = "replace", other, "lladdr", _NOBODY, "dev", "eth0", "nud", "permanent"
            _ip("-n", self._named(name), "neigh", *known)

    def join(self, host: str, server: str) -> None:
        """They ask the switch again who has those addresses."""
        for name, other in self._ends(host, server):
            _ip("-n", self._named(name), "neigh", "delete", other, "dev", "eth0")

    def _ends(self, host: str, server: str) -> Sequence[tuple[str, str]]:
        """Both hosts, each with the address under which it knows the other one."""
        known = {"kafka": self.address, "postgres": self.second}[server]
        return (host, known(SERVERS)), (SERVERS, known(host))

    def build(self) -> None:
        """Raises CalledProcessError where this machine makes none."""
        for host in ("switch", *_ADDRESSES):
            _ip("netns", "add", self._named(host))
            _ip("-n", self._named(host), "link", "set", "lo", "up")
        self._switch("link", "add", "bridge", "type", "bridge")
        self._switch("link", "set", "bridge", "up")
        for host in _ADDRESSES:
            there = "-n", self._named(host)
            self._switch("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", self._named(host))
            for address in (self.address(host), self.second(host)):
                _ip(*there, "address", "add", f"{address}/24", "dev", "eth0")
            _ip(*there, "link", "set", "eth0", "up")
            if host != SERVERS:
                _ip(*there, "route", "add", self.second(SERVERS), "dev", "eth0", "src", self.second(host))
            self._plug(host)
        _ip("link", "add", self._mark, "type", "veth", "peer", "name", "here", "netns", self._named("switch"))
        _ip("address", "add", f"{self._net}.{_HERE}/24", "dev", self._mark)
        _ip("link", "set", self._mark, "up")
        self._plug("here")

    def remove(self) -> None:
        """Whatever of them there is."""
        for host in ("switch", *_ADDRESSES):
            subprocess.run(["ip", "netns", "delete", self._named(host)], capture_output=True, check=False)

    def _named(self, host: str) -> str:
        return f"{self._mark}-{host}"

    def _plug(self, port: str) -> None:
        self._switch("link", "set", port, "master", "bridge", "up")

    def _switch(self, *words: str) -> None:
        _ip("-n", self._named("switch"), *words)


@contextmanager
def three_hosts() -> Iterator[Hosts]:
    """They are gone after the block. The test is skipped, with the reason, where none can be made."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("hosts in network namespaces can be made by the administrator of a Linux machine alone")
    require_program("ip", "iproute2")
    hosts = Hosts(f"rx{os.getpid()}", f"10.213.{os.getpid() % 250}")
    try:
        try:
            hosts.build()
        except subprocess.CalledProcessError as fault:
            pytest.skip(f"this machine makes no network namespaces: {fault.stderr.decode().strip()}")
        yield hosts
    finally:
        hosts.remove()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
