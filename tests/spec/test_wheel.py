"""The wheel: whatever the program needs when it runs is in it, so that it works where there is no checkout."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
LOOK = """
import sys
from pathlib import Path
import console.app, models.policy_text, models.store.migrating, rxpulse.commands.demo, rxpulse.parts, workflows.render
from importlib.resources import files

from console.pages import notice
from models.policy_text import read, shipped_default
from rxpulse import prometheus
from rxpulse.bench import telling, throughput

home = Path(sys.argv[1])
found = [prometheus.rules(), rxpulse.parts.LOCK, rxpulse.commands.demo.POLICY, telling.POLICY, throughput.ONE_CLOCK]
found += [models.store.migrating.HERE / "script.py.mako", console.app._STATIC / "console.css"]
found += [Path(str(files("workflows") / "templates" / "week.html"))]
assert all(one.is_file() and home in one.parents for one in found), found
assert rxpulse.parts.read_lock() and shipped_default().policy.clocks and read(rxpulse.commands.demo.POLICY)
assert notice(200, "a title", "a text").status_code == 200
ours = {name: one.__file__ for name, one in sys.modules.items() if name.partition(".")[0] in sys.argv[2:]}
assert len(ours) > 50 and all(home in Path(file).parents for file in ours.values()), ours
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = folder.glob("*.whl")
    return made


def test_the_wheel_holds_every_file_of_the_packages_and_what_they_need_beside_them(wheel: Path) -> None:
    held = {one for one in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in one}
    wanted = {
        file.relative_to(ROOT).as_posix()
        for package in WHEEL["packages"]
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    beside = WHEEL["force-include"]
    assert held == wanted | set(beside.values())
    with zipfile.ZipFile(wheel) as opened:
        assert all(opened.read(there) == (ROOT / here).read_bytes() for here, there in beside.items())


def test_what_was_installed_from_the_wheel_finds_its_files_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(home)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RXPULSE_", "PYTHON"))}
    argv = [sys.executable, "-c", LOOK, str(home), *WHEEL["packages"]]
    done = subprocess.run(
        argv, cwd=tmp_path, env=env | {"PYTHONPATH": str(home)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
