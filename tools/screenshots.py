"""Takes the pictures of README and docs from a running demo: what is shown is what there is.

    RXPULSE_HOME=... .venv/bin/python tools/screenshots.py [FOLDER]

Signs in by a link of the running stack, as a manager would, and keeps the board, the report of last week and a case as
PNG files in FOLDER (docs/images). It needs Chromium (Debian's `chromium`).
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from models.settings import Settings
from models.store import mint_first_link
from rxpulse.running import with_running_stack

SIZE = {"width": 1280, "height": 860}
FOLDER = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    program = shutil.which("chromium") or sys.exit("there is no chromium: apt-get install chromium")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = signed_in(browser, mint_first_link(settings.required_database_url(), settings.public_url))
        page.screenshot(path=folder / "board.png")
        worst_case(page).screenshot(path=folder / "case.png")
        reports = sorted((settings.home / "reports" / "mercy").glob("*.html"))
        page.goto((reports or sys.exit("there is no report yet: wait until the demo's history is loaded"))[-1].as_uri())
        page.screenshot(path=folder / "report.png")
        browser.close()


def signed_in(browser: Browser, link: str) -> Page:
    """The board, for the demo's manager."""
    page = browser.new_context(viewport=SIZE).new_page()  # type: ignore[arg-type]
    page.goto(link)
    page.get_by_label("Who are you?").select_option("manager")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Where work waits").wait_for()
    return page


def worst_case(page: Page) -> Page:
    """The case of the first signal of the board."""
    page.locator("a[href*='/cases/order/']").first.click()
    page.locator("h1").wait_for()
    return page


if __name__ == "__main__":
    main()
