"""Acknowledge links: what is signed comes back, and nothing else does."""

import hmac
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest

from models import links
from models.links import Link, LinkFault, read, sign

SECRET = b"sixteen bytes and some more"
NOW = datetime(2026, 11, 20, 14, 3, 7, tzinfo=UTC)
EXPIRES = NOW + timedelta(hours=24)
LINK = Link(escalation="e_7f3a", person="ana", nonce="n0nce", expires=EXPIRES)


def token(**changed):
    fields = {"escalation": "e_7f3a", "person": "ana", "nonce": "n0nce", "expires": EXPIRES}
    return sign(SECRET, **fields | changed)


def test_what_was_signed_comes_back():
    assert read(SECRET, token(), NOW) == LINK


def test_names_of_any_script_and_with_any_sign_come_back():
    assert read(SECRET, token(person='Zoë "Z." | Öz.'), NOW).person == 'Zoë "Z." | Öz.'


def test_a_token_needs_no_escaping_in_an_address():
    text = token(person="Zoë ???>>>", nonce="~~~///")
    assert quote(text, safe="") == text


def test_a_link_holds_until_just_before_its_end():
    assert read(SECRET, token(), EXPIRES - timedelta(microseconds=1)) == LINK
    assert read(SECRET, token(), EXPIRES) is LinkFault.EXPIRED


def test_the_end_is_an_instant_whatever_its_offset_and_is_cut_to_the_second():
    east = (EXPIRES + timedelta(microseconds=999_999)).astimezone(timezone(timedelta(hours=9)))
    assert read(SECRET, token(expires=east), NOW) == LINK


def test_another_secret_is_forged():
    assert read(b"another secret of 26 bytes", token(), NOW) is LinkFault.FORGED


def test_every_single_letter_changed_is_no_link_any_more():
    text = token()
    for place, letter in enumerate(text):
        changed = text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :]
        assert read(SECRET, changed, NOW) in (LinkFault.FORGED, LinkFault.MALFORMED), place


def test_the_payload_of_one_link_under_the_signature_of_another_is_forged():
    payload, signature = token(person="ben").split(".")[0], token().split(".")[1]
    assert read(SECRET, f"{payload}.{signature}", NOW) is LinkFault.FORGED


def test_parts_that_together_spell_the_same_are_different_links():
    assert token(escalation="ab", person="c") != token(escalation="a", person="bc")


def test_an_expired_forgery_is_forged():
    expired = token(expires=NOW - timedelta(hours=1))
    assert read(SECRET, expired, NOW) is LinkFault.EXPIRED
    assert read(SECRET, expired[:-1] + ("A" if expired[-1] != "A" else "E"), NOW) is LinkFault.FORGED


@pytest.mark.parametrize("text", ["", ".", "abc", "abc.", ".abc", "äbc.def", "abc.défi"])
def test_what_has_not_the_shape_of_a_token_is_malformed(text):
    assert read(SECRET, text, NOW) is LinkFault.MALFORMED


@pytest.mark.parametrize("raw", [b"no json", b"[1,2,3,4]", b'["e","p","n"]', b"{}", b"\xff\xfe"])
def test_a_signed_payload_of_another_form_is_malformed(raw):
    payload = links._encode(raw)
    assert read(SECRET, f"{payload}.{links._signature(SECRET, payload)}", NOW) is LinkFault.MALFORMED


def test_a_signature_over_the_bare_payload_is_worth_nothing():
    payload = token().split(".")[0]
    bare = links._encode(hmac.digest(SECRET, payload.encode(), "sha256"))
    assert read(SECRET, f"{payload}.{bare}", NOW) is LinkFault.FORGED


def test_a_secret_that_could_be_guessed_is_refused():
    with pytest.raises(ValueError, match="at least 16"):
        sign(b"short", escalation="e", person="p", nonce="n", expires=EXPIRES)


def test_an_end_without_offset_is_refused():
    with pytest.raises(ValueError, match="offset"):
        token(expires=EXPIRES.replace(tzinfo=None))


def test_a_link_that_was_cut_off_is_not_called_forged():
    whole = token()
    for length in range(len(whole)):
        assert read(SECRET, whole[:length], NOW) is LinkFault.MALFORMED, length
