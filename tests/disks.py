"""Small disks of their own, in memory, which tests may fill; only the administrator of a Linux machine may make them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import miss


@contextmanager
def small_disk(mib: int) -> Iterator[Path]:
    """A folder that is a disk of so many MiB. Where none can be made the test is skipped, and fails in CI, with the reason."""
    if sys.platform != "linux" or os.geteuid() != 0:
        miss("a small disk can be made by the administrator of a Linux machine alone")
    folder = Path(tempfile.mkdtemp(prefix="rxpulse-disk-"))
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", folder], capture_output=True, check=False
    )
    if tried.returncode != 0:
        folder.rmdir()
        miss(f"this machine lets nobody make a small disk: {tried.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def fill(folder: Path) -> None:
    """Takes the last byte of a disk, by a file `filling`."""
    with (folder / "filling").open("ab", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * (1 << 16))
        except OSError:
            return
