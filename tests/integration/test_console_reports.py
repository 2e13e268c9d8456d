"""The list of reports and each report as a page: of one's own sites, from their own folder, unable to run anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.reports import days
from models.store.rights import Role
from tests.console import Served, Story, serving

HTML = "<!doctype html><title>Mercy: week</title><style>p { color: red }</style><p>The report of Mercy</p>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def console(story: Story, database_url: str, folder: Path) -> Iterator[Served]:
    with serving(database_url, home=folder.parent) as served:
        yield served


def test_the_list_names_each_week_with_its_latest_revision(console: Served, story: Story, folder: Path) -> None:
    for period in ("2026-W45", "2026-W46"):
        story.report(folder, "mercy", period, HTML)
    path = story.report(folder, "mercy", "2026-W46", HTML, revision=2)
    story.report(folder, "elm", "2026-W46", HTML)
    items = console.api().get("/api/v1/reports").json()["items"]
    assert [(one["site"], one["period"], one["revision"]) for one in items] == [
        *(("elm", "2026-W46", 1), ("mercy", "2026-W46", 2), ("mercy", "2026-W45", 1))
    ]
    assert (items[1]["kind"], items[1]["path"], items[1]["link"]) == ("week", str(path), "/reports/week/mercy/2026-W46")
    assert [one["site"] for one in console.api().get("/api/v1/reports?site=elm").json()["items"]] == ["elm"]
    text = console.signed_in().get("/reports").text
    assert 'href="/reports/week/mercy/2026-W46"' in text and "9 to 15 Nov 2026" in text and "revision 2" in text


def test_a_report_is_shown_as_it_was_written_and_can_run_nothing(console: Served, story: Story, folder: Path) -> None:
    story.report(folder, "mercy", "2026-W46", HTML)
    answer = console.signed_in().get("/reports/week/mercy/2026-W46")
    assert (answer.status_code, answer.text) == (200, HTML)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "script-src" not in policy
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    row = story.connection.execute("SELECT person, ref FROM audit WHERE what = 'report'").fetchone()
    assert row is not None and row[0] == "manager"


def test_who_is_bound_to_a_site_sees_its_reports_only(console: Served, story: Story, folder: Path) -> None:
    for site in ("mercy", "elm"):
        story.report(folder, site, "2026-W46", HTML)
    browser = console.account("ana", Role.ADMIN, "mercy")
    assert "/reports/week/elm" not in browser.get("/reports").text
    assert browser.get("/reports/week/elm/2026-W46").status_code == 404
    assert browser.get("/reports/week/mercy/2026-W46").status_code == 200
    assert [one["site"] for one in browser.get("/api/v1/reports").json()["items"]] == ["mercy"]


@pytest.mark.parametrize(
    "path",
    ["week/mercy/..%2f..%2fsecret.html", "week/..%2f..%2f/2026-W46", "week/mercy/2026-W47", "month/mercy/2026-W46"],
)
def test_a_report_that_was_not_recorded_is_not_there(console: Served, story: Story, folder: Path, path: str) -> None:
    story.report(folder, "mercy", "2026-W46", HTML)
    (folder.parent / "secret.html").write_text("secret", "utf-8")
    assert console.signed_in().get(f"/reports/{path}").status_code == 404


def test_a_file_outside_the_folder_of_reports_is_never_shown(console: Served, story: Story, folder: Path) -> None:
    secret = folder.parent / "secret.html"
    secret.write_text("secret", "utf-8")
    story.report(folder, "mercy", "2026-W44", HTML, path=str(secret))
    story.report(folder, "mercy", "2026-W45", HTML, path=str(folder / "mercy" / ".." / ".." / "secret.html"))
    led = story.report(folder, "mercy", "2026-W46", HTML)
    led.unlink()
    led.symlink_to(secret)
    for period in ("2026-W44", "2026-W45", "2026-W46"):
        answer = console.signed_in().get(f"/reports/week/mercy/{period}")
        assert answer.status_code == 404 and "The file is missing" in answer.text, period


def test_a_report_whose_file_is_gone_says_how_to_make_it_again(console: Served, story: Story, folder: Path) -> None:
    story.report(folder, "mercy", "2026-W46", HTML).unlink()
    answer = console.signed_in().get("/reports/week/mercy/2026-W46")
    assert answer.status_code == 404 and "rxpulse report week" in answer.text


def test_a_site_whose_name_is_a_path_has_its_report(console: Served, story: Story, folder: Path) -> None:
    story.report(folder, "north/ward-4", "2026-W46", HTML)
    [item] = console.api().get("/api/v1/reports").json()["items"]
    assert console.signed_in().get(item["link"]).text == HTML


def test_before_the_first_report_the_page_says_when_it_comes(console: Served, story: Story) -> None:
    browser, first, reading = (
        console.signed_in(),
        "The first one is written on a Monday",
        "The history is still being read",
    )
    text = browser.get("/reports").text
    assert "No report was written yet" in text and first in text and reading not in text
    story.read(0, None)
    text = browser.get("/reports").text
    assert "No report was written yet" in text and reading in text and first not in text


@pytest.mark.parametrize(
    ("period", "said"),
    [
        ("2026-W46", "9 to 15 Nov 2026"),
        ("2026-W44", "26 Oct to 1 Nov 2026"),
        ("2026-W53", "28 Dec 2026 to 3 Jan 2027"),
    ],
)
def test_a_week_is_said_by_its_days(period: str, said: str) -> None:
    assert days(period) == said
