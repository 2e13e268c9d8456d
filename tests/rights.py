"""Words for tests of what each role may do on the console: every route with the least role that may use it, an escalation to act
on, and what somebody is answered on a route."""

import httpx

from models.store.rights import Role
from tests.console import Story, csrf_of

ROLES = (Role.VIEWER, Role.RESPONDER, Role.SUPERVISOR, Role.ADMIN)
"""From least to most."""
RESPOND, SUPERVISE, ADMIN = Role.RESPONDER, Role.SUPERVISOR, Role.ADMIN
SAID = {"person": "manager", "code": "handled", "note": ""}
MATRIX: dict[tuple[str, str], Role | None] = {
    ("GET", "/"): None,
    ("GET", "/enter"): None,
    ("POST", "/enter"): None,
    ("GET", "/a/{token}"): None,
    ("POST", "/a/{token}"): None,
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): None,
    ("GET", "/api/v1/openapi.json"): None,
    ("GET", "/leave"): Role.VIEWER,
    ("POST", "/leave"): Role.VIEWER,
    ("GET", "/board"): Role.VIEWER,
    ("GET", "/signals"): Role.VIEWER,
    ("GET", "/escalations"): Role.VIEWER,
    ("GET", "/escalations/{escalation}"): Role.VIEWER,
    ("GET", "/cases/{case:path}"): Role.VIEWER,
    ("GET", "/quality"): Role.VIEWER,
    ("GET", "/turnaround"): Role.VIEWER,
    ("GET", "/charts"): Role.VIEWER,
    ("GET", "/people"): Role.VIEWER,
    ("GET", "/reports"): Role.VIEWER,
    ("GET", "/reports/{kind}/{site:path}/{period}"): Role.VIEWER,
    ("GET", "/search"): Role.VIEWER,
    ("POST", "/search"): Role.VIEWER,
    ("GET", "/api/v1/board"): Role.VIEWER,
    ("GET", "/api/v1/signals"): Role.VIEWER,
    ("GET", "/api/v1/escalations"): Role.VIEWER,
    ("GET", "/api/v1/cases/{case:path}"): Role.VIEWER,
    ("GET", "/api/v1/quality"): Role.VIEWER,
    ("GET", "/api/v1/charts"): Role.VIEWER,
    ("GET", "/api/v1/reports"): Role.VIEWER,
    ("GET", "/api/v1/turnaround"): Role.VIEWER,
    ("GET", "/api/v1/feed"): Role.VIEWER,
    ("POST", "/escalations/{escalation}/ack"): RESPOND,
    ("POST", "/escalations/{escalation}/release"): RESPOND,
    ("POST", "/escalations/{escalation}/pass-on"): RESPOND,
    ("POST", "/escalations/{escalation}/resolve"): SUPERVISE,
    ("POST", "/signals/resolve"): SUPERVISE,
    ("POST", "/people/{person}/test"): RESPOND,
    ("GET", "/accounts"): ADMIN,
    ("POST", "/accounts"): ADMIN,
    ("POST", "/accounts/{name}/rights"): ADMIN,
    ("POST", "/accounts/{name}/password"): ADMIN,
    ("POST", "/accounts/{name}/disable"): ADMIN,
    ("POST", "/tokens"): ADMIN,
    ("POST", "/tokens/{name}/revoke"): ADMIN,
    ("GET", "/audit"): ADMIN,
    ("GET", "/first-run"): ADMIN,
    ("POST", "/first-run"): ADMIN,
    ("POST", "/api/v1/escalations/{escalation}/ack"): RESPOND,
    ("POST", "/api/v1/escalations/{escalation}/release"): RESPOND,
    ("POST", "/api/v1/escalations/{escalation}/pass-on"): RESPOND,
    ("POST", "/api/v1/escalations/{escalation}/resolve"): SUPERVISE,
    ("POST", "/api/v1/signals/{signal}/resolve"): SUPERVISE,
    ("POST", "/api/v1/signals/resolve"): SUPERVISE,
}
GUARDED = [(method, path, role) for (method, path), role in MATRIX.items() if role is not None and "feed" not in path]


def paged(story: Story, site: str = "mercy") -> str:
    """An escalation of a site that was told; its id. A signal of a rule stands beside it."""
    signal = story.signal("stat-verified", 1, id=f"clock-{site}", site=site, case="order/7f3a1c9e")
    story.signal("expired-lot", 1, id=f"rule-{site}", site=site, kind="rule", case="order/7f3a1c9e")
    story.told()
    return story.escalation(signal)


def act(browser: httpx.Client, escalation: str, name: str) -> httpx.Response:
    return browser.post(f"/escalations/{escalation}/{name}", data=SAID | {"csrf": csrf_of(browser)})


def ask(browser: httpx.Client, method: str, path: str, escalation: str, site: str = "mercy") -> int:
    """What one who is signed in is answered on a route, everything in order but perhaps his role or his sites."""
    where = path.replace("{escalation}", escalation).replace("{signal}", f"rule-{site}")
    where = where.replace("{person}", "manager").replace("{name}", f"of-{site}")
    where = where.replace("{kind}/{site:path}/{period}", f"week/{site}/2026-W46")
    where = where.replace("{case:path}", "order/7f3a1c9e")
    if method == "GET":
        return browser.get(where).status_code
    if path.startswith("/api/"):
        return browser.post(where, json=SAID | {"signals": [f"rule-{site}"]}).status_code
    return browser.post(where, data=SAID | {"csrf": csrf_of(browser), "signal": f"rule-{site}"}).status_code
