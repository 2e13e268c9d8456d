"""By webhook: the CloudEvent is posted to the person's address, signed so that its receiver can tell it is ours.

The signature is that of the Standard Webhooks specification (symmetric, v1): over id, time and body. Every attempt
carries the same id, also as Idempotency-Key. Redirects are not followed, and an address that leads into this network is
refused unless the policy allows it: whoever may edit a policy must not be able to reach what only this machine can.
"""

import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx
from standardwebhooks import Webhook as Signature

from models.policy import Person
from models.store.gone import gone_answer
from workflows.notify.answer import Answer, Delivered, Refused, RetryAfter
from workflows.notify.guard import PrivateAddress, guarded

_SECONDS = 5.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_KEPT = 200
"""Characters of an answer that are kept."""


class Webhook:
    """`secret` signs, in the form `whsec_...`."""

    def __init__(self, secret: str, *, allow_private: bool) -> None:
        self._signature = Signature(secret)
        self._client = httpx.AsyncClient(transport=guarded(allow_private), timeout=_SECONDS, follow_redirects=False)

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Answer:
        if person.webhook is None:
            return Refused(f"{person.key} has no webhook address")
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        try:
            answer = await self._client.post(person.webhook, content=body.encode(), headers=self._headers(key, body))
        except PrivateAddress as fault:
            return Refused(str(fault))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as fault:
            return Refused(f"the address cannot be used: {fault}")
        except httpx.HTTPError as fault:
            return RetryAfter(f"no answer: {type(fault).__name__}: {fault}"[:_KEPT])
        if answer.status_code == HTTPStatus.GONE:
            return Refused(gone_answer(person.webhook))
        return judge(answer.status_code, answer.headers.get("Retry-After"), datetime.now(UTC))

    async def close(self) -> None:
        """Closes what is open."""
        await self._client.aclose()

    def _headers(self, key: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "User-Agent": "RxPulse",
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signature.sign(key, now, body),
            "Idempotency-Key": key,
        }


def judge(status: int, retry_after: str | None, now: datetime) -> Answer:
    """What a status means: 2xx delivered; too many requests, a time-out or a fault of the server: again, when it says so;
    everything else never."""
    said = f"HTTP {status}"
    if 200 <= status < 300:
        return Delivered(said)
    if status in _AGAIN:
        return RetryAfter(said, patience(retry_after, now))
    return Refused(said)


def patience(header: str | None, now: datetime) -> timedelta | None:
    """The wait that a Retry-After header asks for: seconds or a date; None where it says nothing."""
    if header is None:
        return None
    if header.strip().isdigit():
        return timedelta(seconds=int(header))
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(at - now, timedelta()) if at.tzinfo else None
