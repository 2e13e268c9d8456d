"""What a newcomer does: clone, `./run demo`; as root and as anybody, with an empty home and an empty environment."""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 1300


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every account may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="rxpulse-clone-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def clone(place: Path, account: str | None) -> tuple[Path, dict[str, str]]:
    """A fresh clone and the only environment there is: an empty home and a path."""
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(place / "clone")], check=True)
    home = place / "home"
    home.mkdir()
    if account is not None:
        for path in (place, *place.rglob("*")):
            shutil.chown(path, account)
    return place / "clone", {"HOME": str(home), "PATH": os.environ["PATH"]}


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("account", [None, "nobody"])
def test_the_demo_of_a_fresh_clone_shows_a_page_and_ends_well(place: Path, account: str | None) -> None:
    if account is not None and os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    folder, environ = clone(place, account)
    if account is not None and not os.access(shutil.which("python3") or "", os.X_OK):
        pytest.skip("there is no python3 that everybody may run")
    # On a Monday morning the reports come two minutes after the history: where a partition has said nothing since six
    # o'clock, more of the week's events may follow.
    ran = subprocess.run(
        ["./run", "demo", "--for", "180", "--json"],
        cwd=folder,
        env=environ | {"RXPULSE_PORTS": "auto", "RXPULSE_HOME": str(place / "home" / "rxpulse")},
        capture_output=True,
        text=True,
        check=False,
        user=None if account is None else pwd.getpwnam(account).pw_uid,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    document = json.loads(ran.stdout)
    assert document["healthy"] is True and all(part["healthy"] for part in document["parts"])
    assert {"kafka", "postgres", "worker", "prefect", "dispatcher", "reports", "console", "intake"} <= {
        part["name"] for part in document["parts"]
    }
    assert 300_000 <= document["events_total"] <= 500_000
    assert document["lag_events"] < 100 and document["cases"]["order"]["total"] > 1000
    assert document["signals"]["open"] > 0
    assert document["escalations"]["delivered_total"] >= 1 and document["escalations"]["failed_total"] == 0
    weeks = [one for one in document["reports"] if one["kind"] == "week"]
    assert {one["site"] for one in weeks} == {"mercy", "elm", "oak", "pine"}
    assert all(Path(one["path"]).read_text("utf-8").startswith("<!doctype html>") for one in weeks)
