"""docs/operations/settings.md holds every setting with the default that it has."""

import re
from pathlib import Path

from models.settings import PREFIX, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "operations" / "settings.md").read_text("utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `RXPULSE_")]
NAMED = {name: row for row in ROWS for name in re.findall(r"`RXPULSE_(\w+)`", row[0])}


def test_every_setting_stands_once_in_the_table() -> None:
    assert {name.lower() for name in NAMED} == set(Settings.__dataclass_fields__)
    assert sum(len(re.findall(f"`{PREFIX}", row[0])) for row in ROWS) == len(NAMED)


def test_the_defaults_are_those_that_hold(tmp_path: Path) -> None:
    settings = Settings.from_env({}, home=tmp_path)
    for name, (_, default, _) in NAMED.items():
        value = getattr(settings, name.lower())
        match value:
            case None | Path():
                assert not re.fullmatch("`[0-9]+`", default), name
            case bool():
                assert default == f"`{int(value)}`", name
            case float():
                assert default == f"`{value:g}`", name
            case _:
                assert default == f"`{value}`", name


def test_what_is_a_secret_may_come_from_a_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for name, (told, _, _) in NAMED.items():
        held = "postgresql://a:b@h/d" if name.endswith("_URL") else "user:0123456789-0123456789-0123456789"
        file.write_text(held, encoding="utf-8")
        pair = {"SMTP_PASSWORD": {"RXPULSE_SMTP_USER": "u"}}.get(name, {})
        found = Settings.from_env({f"{PREFIX}{name}_FILE": str(file), **pair}, home=tmp_path)
        taken = getattr(found, name.lower()) == held
        assert taken is ("*secret*" in told), name
