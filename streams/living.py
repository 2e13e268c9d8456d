"""The worker's threads: none ends unheard, for a worker that lacks one of them is none."""

from collections.abc import Callable
from threading import Thread


def living(name: str, life: Callable[[], None], failed: Callable[[BaseException], None]) -> Thread:
    """A thread that is not started yet and ends with the process; `failed` is told whatever breaks its life off."""

    def lived() -> None:
        try:
            life()
        except BaseException as fault:  # the thread's last word, whatever it was
            failed(fault)

    return Thread(target=lived, name=name, daemon=True)
