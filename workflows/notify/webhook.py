"""By webhook: the CloudEvent is posted to the person's address, signed so that its receiver can tell it is ours.

The signature is that of the Standard Webhooks specification (symmetric, v1): over id, time and body. Every attempt
carries the same id, also as Idempotency-Key. Redirects are not followed, and an address that leads into this network is
refused unless the policy allows it: whoever may edit a policy must not be able to reach what only this machine can.

Status and headers decide; what else the receiver says is not read, for it may never end. The whole of a send has a limit
too: one that outlives the lease of its delivery would be sent again beside itself.
"""

import asyncio
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
"""For each step: to connect, to send, to hear the next byte."""
_WITHIN = 12.0
"""For the whole of it: shorter than the lease of a delivery."""
_LONGEST_PATIENCE = timedelta(days=1)
"""What is asked for beyond it counts as this. A delivery gives up long before, and the next step comes at once."""
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_KEPT = 200
"""Characters of an answer that are kept."""


class Webhook:
    """`secret` signs, in the form `whsec_...`; `within` are the seconds that a whole send may take."""

    def __init__(self, secret: str, *, allow_private: bool, within: float = _WITHIN) -> None:
        self._within = within
        self._signature = Signature(secret)
        self._client = httpx.AsyncClient(transport=guarded(allow_private), timeout=_SECONDS, follow_redirects=False)

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Answer:
        if person.webhook is None:
            return Refused(f"{person.key} has no webhook address")
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
        try:
            async with asyncio.timeout(self._within):
                status, retry_after = await self._post(person.webhook, key, body)
        except PrivateAddress as fault:
            return Refused(str(fault))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as fault:
            return Refused(f"the address cannot be used: {fault}")
        except httpx.HTTPError as fault:
            return RetryAfter(f"no answer: {type(fault).__name__}: {fault}"[:_KEPT])
        except TimeoutError:
            return RetryAfter(f"no answer within {self._within:g} s")
        if status == HTTPStatus.GONE:
            return Refused(gone_answer(person.webhook))
        return judge(status, retry_after, datetime.now(UTC))

    async def close(self) -> None:
        """Closes what is open."""
        await self._client.aclose()

    async def _post(self, url: str, key: str, body: str) -> tuple[int, str | None]:
        """Status and Retry-After of the answer."""
        headers = self._headers(key, body)
        async with self._client.stream("POST", url, content=body.encode(), headers=headers) as answer:
            return answer.status_code, answer.headers.get("Retry-After")

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
    """The wait that a Retry-After header asks for, from 0 to one day: seconds in the digits 0 to 9, or a date; None where
    it says nothing."""
    if header is None:
        return None
    said = header.strip()
    if said.isascii() and said.isdigit():
        # A float, for it takes any number of digits.
        return timedelta(seconds=min(float(said), _LONGEST_PATIENCE.total_seconds()))
    try:
        at = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    return min(max(at - now, timedelta()), _LONGEST_PATIENCE) if at.tzinfo else None
