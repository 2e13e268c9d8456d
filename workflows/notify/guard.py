"""Keeps webhooks out of this network: the address is looked up, looked at, and only then connected to.

The name is resolved once and the connection goes to the address that was looked at, so that a name that changes its
address in between gains nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from ipaddress import ip_address

import httpcore
import httpx
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream


class PrivateAddress(Exception):
    """The address leads into this machine or network."""


def private(address: str) -> bool:
    """Whether an IP address is anything but a public one: loopback, private, link-local, multicast, reserved."""
    found = ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return not (mapped or found).is_global or (mapped or found).is_multicast


class _Guard(AsyncNetworkBackend):
    def __init__(self) -> None:
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        address = await _resolved(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def _resolved(host: str, port: int) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as fault:
        raise httpcore.ConnectError(f"{host} cannot be resolved: {fault}") from fault
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if private(address):
            raise PrivateAddress(
                f"{host} leads to {address}, an address of this network: allow it with allow_private = true in"
                " [channel.webhook], or RXPULSE_ALLOW_PRIVATE_WEBHOOKS=1"
            )
    return addresses[0]


class _Guarded(httpx.AsyncHTTPTransport):
    """httpx's own transport over connections that the guard has looked at."""

    def __init__(self, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted)
        # httpx offers no parameter for the network backend of its pool.
        self._pool = httpcore.AsyncConnectionPool(ssl_context=trusted, network_backend=_Guard())


def guarded(allow_private: bool) -> httpx.AsyncBaseTransport:
    """A transport of httpx that goes to public addresses only, or anywhere if `allow_private`. Trusts what this machine
    trusts."""
    trusted = ssl.create_default_context()
    return httpx.AsyncHTTPTransport(verify=trusted) if allow_private else _Guarded(trusted)
