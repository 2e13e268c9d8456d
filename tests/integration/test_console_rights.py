"""What each role may do on each route of the console: every route has its least role, nothing is open to a stranger, and a
responder acts for himself."""

from pathlib import Path

import pytest

from console.app import create_app
from metrics.exporter import PrometheusRecorder
from models.settings import Secret, Settings
from models.store.console import ConsoleStore
from models.store.rights import Role
from tests.console import Served, Story, a_late_order, csrf_of
from tests.rights import GUARDED, MATRIX, ROLES, SAID, act, ask, paged

pytestmark = pytest.mark.usefixtures("cheap_passwords")


@pytest.fixture
def story(story: Story) -> Story:
    """With a worker that has read up to now."""
    story.read(0, story.now)
    return story


def routes(database_url: str) -> set[tuple[str, str]]:
    """Every route that the console has, whatever part brings it."""
    settings = Settings(home=Path("/nowhere"), cache=Path("/nowhere"), database_url=Secret(database_url))
    store = ConsoleStore(database_url)
    found: set[tuple[str, str]] = set()
    pending = list(create_app(settings, store, PrometheusRecorder("console")).routes)
    while pending:
        one = pending.pop()
        inside = getattr(getattr(one, "original_router", None), "routes", None) or []
        pending.extend(inside)
        if getattr(one, "endpoint", None) is not None:
            found |= {(method, one.path) for method in one.methods - {"HEAD"}}  # type: ignore[attr-defined]
    store.close()
    return found


def test_the_matrix_holds_every_route(database_url: str) -> None:
    prefixed = {(method, path) for method, path in MATRIX}
    assert routes(database_url) == prefixed


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_it_may_on_every_route_and_nothing_else(
    console: Served, story: Story, role: Role
) -> None:
    escalation, case = paged(story), a_late_order(story)
    assert case == "order/7f3a1c9e"
    browser = console.account("manager", role)
    wrong: list[object] = []
    for method, path, needed in GUARDED:
        if path == "/leave":
            continue
        refused = ask(browser, method, path, escalation) == 403
        if refused is (ROLES.index(role) >= ROLES.index(needed)):
            wrong.append((method, path))
    assert wrong == []


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
def test_no_route_is_open_to_a_stranger(console: Served, story: Story, method: str, path: str, needed: Role) -> None:
    where = path.replace("{escalation}", "x").replace("{signal}", "x").replace("{case:path}", "order/1")
    given = {"json": SAID | {"signals": ["x"]}} if "/api/" in path else {"data": SAID}
    answer = console.browser().request(method, where, **({} if method == "GET" else given))  # type: ignore[arg-type]
    assert answer.status_code == 401


def test_a_responder_acts_for_himself_only(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.account("ana", Role.RESPONDER)
    assert act(browser, escalation, "ack").status_code == 403
    mine = browser.post(f"/escalations/{escalation}/ack", data={"csrf": csrf_of(browser)})
    assert mine.status_code == 303
    assert console.api().get("/api/v1/escalations").json()["items"][0]["acknowledged_by"] == "ana"


_FROM_A_PAGE = {"sec-fetch-site": "same-origin"}


def test_a_responder_gives_back_only_what_he_has(console: Served, story: Story) -> None:
    escalation = paged(story, "mercy")
    path = f"/api/v1/escalations/{escalation}"
    assert console.api().post(f"{path}/ack", json={"person": "manager"}).status_code == 200
    ana, chief = console.account("ana", Role.RESPONDER), console.account("chief", Role.SUPERVISOR)
    refused = ana.post(f"{path}/release", json={}, headers=_FROM_A_PAGE)
    assert refused.status_code == 403 and "only who has it gives it back" in refused.json()["detail"]
    assert "<summary>Give back" not in ana.get(f"/escalations/{escalation}").text
    assert "<summary>Give back" in chief.get(f"/escalations/{escalation}").text
    assert chief.post(f"{path}/release", json={}, headers=_FROM_A_PAGE).status_code == 200
    assert ana.post(f"{path}/ack", json={}, headers=_FROM_A_PAGE).json()["acknowledged_by"] == "ana"
    assert ana.post(f"{path}/release", json={}, headers=_FROM_A_PAGE).status_code == 200


def test_a_screen_of_several_people_responds_and_does_not_resolve(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in("")
    assert act(browser, escalation, "resolve").status_code == 403
    assert act(browser, escalation, "ack").status_code == 303
