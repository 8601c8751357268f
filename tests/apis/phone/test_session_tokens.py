"""Session tokens: what was issued is read, and nothing else is."""

import base64
import itertools
import json
import re

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otp_app.apis.phone.session_tokens import MAX_LENGTH, SessionTokens
from otp_app.core.codes import LedgerIds

KEYS = {"k1": b"1" * 32, "k2": b"2" * 32}
PHONE = "+14155552671"
ID = LedgerIds(b"i" * 32, lambda n: b"r" * n).new_verification("n:" + "00" * 9)


def tokens(current="k1", keys=KEYS):
    numbers = itertools.count(1)
    return SessionTokens(keys, current, lambda n: next(numbers).to_bytes(n))


def signed(claims, kid="k1", key=KEYS["k1"], algorithm="HS256", **headers):
    return jwt.encode(claims, key, algorithm, headers={"kid": kid, **headers})


CLAIMS = {"phone_number": PHONE, "nonce": f"{ID}.00"}


def test_what_was_issued_is_read():
    ours = tokens()
    assert ours.read(ours.issue(PHONE, ID)) == (PHONE, ID)


def test_the_two_claims():
    """Those of the contract and no more; the header names the algorithm and the key."""
    token = tokens().issue(PHONE, ID)
    claims = jwt.decode(token, KEYS["k1"], algorithms=["HS256"])
    assert list(claims) == ["phone_number", "nonce"]
    assert claims["phone_number"] == PHONE
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "k1", "typ": "JWT"}
    assert len(token) < MAX_LENGTH / 3


def test_each_token_is_another_one():
    """Of one verification too, and each is good."""
    ours = tokens()
    issued = {ours.issue(PHONE, ID) for _ in range(10)}
    assert len(issued) == 10
    assert {ours.read(token) for token in issued} == {(PHONE, ID)}


def test_a_token_outlives_the_change_of_keys():
    """The first key goes on reading when another one signs; it is over when the key is gone."""
    token = tokens("k1").issue(PHONE, ID)
    after = tokens("k2")
    assert after.read(token) == (PHONE, ID)
    assert jwt.get_unverified_header(after.issue(PHONE, ID))["kid"] == "k2"
    assert tokens("k2", {"k2": KEYS["k2"]}).read(token) is None


def test_what_holders_of_a_key_sign_is_read():
    """Or the refusals below would show nothing."""
    assert tokens().read(signed(CLAIMS)) == (PHONE, ID)


@pytest.mark.parametrize("token", [
    signed(CLAIMS, key=b"3" * 32), signed(CLAIMS, kid="k2"), signed(CLAIMS, kid="k3"), signed(CLAIMS, kid=""),
    jwt.encode(CLAIMS, KEYS["k1"], "HS256"), signed(CLAIMS, key=None, algorithm="none"),
    signed(CLAIMS, key=b"1" * 64, algorithm="HS512"), signed({}), signed({"phone_number": PHONE}),
    signed({"nonce": f"{ID}.00"}), signed(CLAIMS | {"more": 1}), signed(CLAIMS | {"phone_number": 14155552671}),
    signed(CLAIMS | {"nonce": 0.25}), signed(CLAIMS | {"nonce": None}), signed(CLAIMS | {"exp": 1}),
    signed(CLAIMS, crit=["exp"]),
])  # fmt: skip
def test_what_was_not_issued_is_unknown(token):
    """Another key, another algorithm, none at all, a key by another name, other claims."""
    assert tokens().read(token) is None


def test_the_strong_algorithms_are_refused_with_our_own_key_too():
    """One algorithm and no choice, whatever the header says."""
    keys = {"k1": b"1" * 64}
    assert tokens(keys=keys).read(signed(CLAIMS, key=keys["k1"])) == (PHONE, ID)
    assert tokens(keys=keys).read(signed(CLAIMS, key=keys["k1"], algorithm="HS512")) is None


def segment(said):
    return base64.urlsafe_b64encode(said if isinstance(said, bytes) else json.dumps(said).encode()).decode().rstrip("=")


@pytest.mark.parametrize("header", [
    b"", b"{", b"[]", b"5", b"null", b"\xff\xfe", b"[" * 700, b'{"a":' * 100, {}, {"kid": "k1"},
    {"alg": None, "kid": "k1"}, {"alg": ["HS256"], "kid": "k1"}, {"alg": {}, "kid": "k1"},
    {"alg": "HS256"}, {"alg": "HS256", "kid": 1}, {"alg": "HS256", "kid": ["k1"]}, {"alg": "HS256", "kid": None},
    {"alg": "HS256", "kid": "k1", "b64": False}, {"alg": "HS256", "kid": "k1", "b64": False, "crit": ["b64"]},
    {"alg": "HS256", "kid": "\ud800"},
])  # fmt: skip
def test_headers_of_all_kinds(header):
    for body in (segment(CLAIMS), segment(b"[" * 200), ""):
        assert tokens().read(f"{segment(header)}.{body}.{segment(b'signature')}") is None


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", " ", "\0", "\ud800", "\uff21.b.c", "\u00e9" * 20, "a" * 5000, "=.=.="]
)
def test_what_is_no_token(token):
    """Unknown, without an error, half of a surrogate pair included."""
    assert tokens().read(token) is None


def test_a_changed_token_is_unknown():
    token = tokens().issue(PHONE, ID)
    changed = [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(len(token))]
    assert {tokens().read(text) for text in changed} == {None}
    assert {tokens().read(text) for text in (token[:-1], token + "A", f" {token}")} == {None}


def test_a_long_token_is_not_looked_at(monkeypatch):
    long = signed(CLAIMS | {"phone_number": "1" * MAX_LENGTH})
    just = signed(CLAIMS | {"phone_number": "1" * 600})
    assert tokens().read(just) == ("1" * 600, ID)
    monkeypatch.setattr(jwt, "get_unverified_header", lambda _: pytest.fail("decoded"))
    assert len(long) > MAX_LENGTH
    assert tokens().read(long) is None


@given(st.text() | st.lists(st.binary(max_size=60), min_size=1, max_size=4).map(lambda a: ".".join(map(segment, a))))
def test_no_text_raises(token):
    assert tokens().read(token) is None


def test_a_token_of_nothing_looks_like_any():
    """That no message left is not for everybody to know; what it names is not there."""
    ours = tokens()
    opens, nothing = ours.issue(PHONE, ID), ours.issue(PHONE, "")
    assert len(opens) == len(nothing)
    (phone, named), (_, again) = ours.read(nothing), ours.read(ours.issue(PHONE, ""))
    assert phone == PHONE
    assert re.fullmatch("VE[0-9a-f]{32}", named)
    assert named != again
