"""The ports of a one-machine stack: one block of nine, moved up by ten until all nine are free.

A stack never shares a port with a stranger: a broker that finds its port taken could otherwise talk to somebody
else's. With `auto` the block of the last time is taken again where it is free, so that links in messages keep working,
else one picked by chance, so that two stacks that start together do not meet.
"""

import secrets
import socket
from typing import Literal

from models.errors import CallerFault

NAMES = ("console", "intake", "worker", "dispatcher", "reports", "prefect", "postgres", "kafka", "controller")
_STEP = 10
_BLOCKS = 20
# Below the range from which Linux (32768) and macOS (49152) take ports for outgoing connections.
_AUTO_FROM, _AUTO_TO = 10_000, 32_000


def block(base: int) -> dict[str, int]:
    """The nine ports that begin at `base`, by name."""
    return {name: base + place for place, name in enumerate(NAMES)}


def choose(wanted: int | Literal["auto"], bind: str, last: int | None) -> int:
    """The base of a block that is free on loopback and on `bind`; `last` is the base of this home's last start.
    Raises CallerFault where none is."""
    tried = _auto_bases(last) if wanted == "auto" else list(range(wanted, wanted + _STEP * _BLOCKS, _STEP))
    for base in tried:
        if base + len(NAMES) <= 65536 and all(_free(port, bind) for port in block(base).values()):
            return base
    raise CallerFault(
        f"none of {len(tried)} blocks of {len(NAMES)} ports from {tried[0]} on is free on {bind}: set RXPULSE_PORTS to"
        " another first port, or to auto; RXPULSE_BIND must be an address of this machine"
    )


def _auto_bases(last: int | None) -> list[int]:
    by_chance = [_AUTO_FROM + _STEP * secrets.randbelow((_AUTO_TO - _AUTO_FROM) // _STEP) for _ in range(_BLOCKS)]
    return by_chance if last is None else [last, *by_chance]


def _free(port: int, bind: str) -> bool:
    return all(_bindable(address, port) for address in {"127.0.0.1", bind})


def _bindable(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((address, port))
        except OSError:
            return False
    return True
