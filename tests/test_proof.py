"""Proofs: what is in them, and the keys that sign them."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from dataclasses import replace

import jwt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from otp_app.core.events import Approval
from otp_app.core.instant import Instant
from otp_app.proof import Proofs, new_key, parse_proof_keys

NOW = 1_750_000_000.75
APPROVAL = Approval("+14155552671", "pay", "VE" + "0" * 32, "sms", NOW - 5)
SEED = base64.b64encode(b"\x01" * 32).decode()
LONG = base64.b64encode(b"\x02" * 33).decode()
ANY_TIME = {"verify_exp": False}  # the clock here stands in 2025
SHORT = base64.b64encode(b"\x03" * 31).decode()


def proofs(keys=f"p1:HS256:{SEED}", **changed):
    given = {"issuer": "otp_app", "ttl": 120.0, "clock": lambda: Instant(NOW, "", 0.0)} | changed
    return Proofs(parse_proof_keys(keys), **given)


def claims(token):
    """What it says; whether it may is not looked at here."""
    return jwt.decode(token, options={"verify_signature": False})


def known(maker, shared):
    """The keys of a verifier by algorithm: the public one and the shared one."""
    return {"HS256": shared, **{key["alg"]: jwt.PyJWK(key) for key in maker.public_keys}}


# ---- tokens


def test_a_proof_says_what_was_shown():
    """These claims and no other: a reader can tell from them who may use it, how long, and for what."""
    token = proofs().token(APPROVAL, "https://shop.example", "n-1")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "p1", "typ": "otp-proof+jwt"}
    assert claims(token) == {
        "iss": "otp_app",
        "aud": "https://shop.example",
        "iat": 1_750_000_000,
        "exp": 1_750_000_120,
        "jti": APPROVAL.verification_id,
        "phone_number": "+14155552671",
        "phone_number_verified": True,
        "purpose": "pay",
        "verification_id": APPROVAL.verification_id,
        "channel": "sms",
        "nonce": "n-1",
    }


def test_a_nonce_is_only_what_the_caller_gave():
    """Nobody could compare one that was made here."""
    assert "nonce" not in claims(proofs().token(APPROVAL, "shop"))


def test_a_proof_lives_as_long_as_is_set():
    """From the clock at hand, in whole seconds."""
    said = claims(proofs(ttl=30.9, issuer="https://otp.example").token(APPROVAL, "shop"))
    assert (said["iat"], said["exp"], said["iss"]) == (1_750_000_000, 1_750_000_030, "https://otp.example")


WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
APPROVALS = st.builds(
    Approval,
    phone=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True),
    purpose=st.from_regex(r"[a-z0-9_-]{1,32}", fullmatch=True),
    verification_id=st.from_regex(r"VE[0-9a-f]{32}", fullmatch=True),
    channel=st.sampled_from(["sms", "whatsapp"]),
    at=st.just(NOW - 5),
)
ALGORITHMS = st.sampled_from(["HS256", "EdDSA"])


@settings(max_examples=100, deadline=None)
@given(APPROVALS, WORDS, WORDS, ALGORITHMS)
def test_a_proof_is_of_its_own_approval(approval, audience, nonce, algorithm):
    """Whatever is approved and asked for comes back unchanged."""
    said = claims(proofs(f"p1:{algorithm}:{SEED}").token(approval, audience, nonce))
    shown = (said["phone_number"], said["purpose"], said["verification_id"], said["channel"])
    assert shown == (approval.phone, approval.purpose, approval.verification_id, approval.channel)
    assert (said["aud"], said["nonce"], said["jti"]) == (audience, nonce, approval.verification_id)


@settings(max_examples=100, deadline=None)
@given(APPROVALS, APPROVALS, st.sampled_from(["phone", "purpose", "verification_id"]), ALGORITHMS)
def test_a_proof_is_of_no_other_approval(approval, other, field, algorithm):
    """One that differs in its phone, its purpose or its verification alone is not signed by it."""
    assume(getattr(other, field) != getattr(approval, field))
    maker = proofs(f"p1:{algorithm}:{SEED}")
    token, near = (maker.token(a, "shop") for a in (approval, replace(approval, **{field: getattr(other, field)})))
    key = known(maker, b"\x01" * 32)[algorithm]
    assert jwt.decode(token, key, [algorithm], audience="shop", options=ANY_TIME) == claims(token)
    moved = ".".join((*near.split(".")[:2], token.split(".")[2]))
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(moved, key, [algorithm], audience="shop", options=ANY_TIME)


# ---- keys


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
def test_the_first_key_signs(algorithm):
    """The others are there so that their proofs can still be checked."""
    keys = f"p2:{algorithm}:{SEED}, p1:HS256:{LONG}"
    header = jwt.get_unverified_header(proofs(keys).token(APPROVAL, "shop"))
    assert (header["kid"], header["alg"]) == ("p2", algorithm)


def test_old_proofs_outlive_a_new_key():
    """A verifier that knows the keys of before and after takes the proofs of both."""
    old, new = f"p1:EdDSA:{SEED}", new_key("EdDSA")
    before = proofs(old).token(APPROVAL, "shop")
    after = proofs(f"{new},{old}")
    keys = {key["kid"]: jwt.PyJWK(key) for key in after.public_keys}
    for token in (before, after.token(APPROVAL, "shop")):
        key = keys[jwt.get_unverified_header(token)["kid"]]
        assert jwt.decode(token, key, ["EdDSA"], audience="shop", options=ANY_TIME)["purpose"] == "pay"


def test_public_keys_are_public_keys():
    """The public half of every EdDSA key, as RFC 8037 writes it; of shared secrets nothing.

    The figures are those of the first test of RFC 8032, 7.1.
    """
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    x = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    keys = f"p3:HS256:{LONG},p2:EdDSA:{base64.b64encode(seed).decode()},p1:EdDSA:{SEED}"
    reported = proofs(keys).public_keys
    assert reported[0] == {
        "kty": "OKP", "crv": "Ed25519", "kid": "p2", "alg": "EdDSA", "use": "sig",
        "x": base64.urlsafe_b64encode(x).rstrip(b"=").decode(),
    }  # fmt: skip
    assert [key["kid"] for key in reported] == ["p2", "p1"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "each key is written"),
        (SEED, "each key is written"),
        (f"p1:{SEED}", "each key is written"),
        (f"p1:none:{SEED}", "each key is written"),
        (f"p1:hs256:{SEED}", "each key is written"),
        (f"p1:RS256:{SEED}", "each key is written"),
        (f"p.1:HS256:{SEED}", "each key is written"),
        (f":HS256:{SEED}", "each key is written"),
        (f"{'p' * 17}:HS256:{SEED}", "each key is written"),
        (f"p1:HS256:{SEED},", "each key is written"),
        (f"p1:HS256:{SEED},p1:EdDSA:{SEED}", "a key id stands twice"),
        (f"p1:HS256:{SHORT}", "a key is shorter than 32 bytes"),
        (f"p1:EdDSA:{SHORT}", "a key is shorter than 32 bytes"),
        (f"p1:EdDSA:{LONG}", "an EdDSA key is longer than the 32 bytes of an Ed25519 seed"),
        (f"p1:HS256:{SEED[:-1]}", "a key is not base64"),
        (f"p1:HS256:{SEED[:-1]}é", "a key is not base64"),
    ],
)
def test_unusable_keys_are_refused(text, fault):
    """With the fault, and never with the key."""
    with pytest.raises(ValueError, match=f"^{fault}") as error:
        parse_proof_keys(text)
    assert not any(key[:12] in str(error.value) for key in (SEED, LONG, SHORT))


def test_keys_do_not_show():
    """Not in the repr of what holds them, which a traceback may print."""
    keys = parse_proof_keys(f"p1:HS256:{LONG},p2:EdDSA:{SEED}")
    assert "p1" in repr(keys)
    assert repr(b"\x02" * 33) not in repr(keys)
    assert "PrivateKey" not in repr(keys)


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
def test_a_new_key_can_be_used_as_printed(algorithm):
    """And is another one each time, its id too: a verifier that keeps p1 would not look for a second p1."""
    made = [new_key(algorithm) for _ in range(2)]
    assert [key.algorithm for key in parse_proof_keys(",".join(made))] == [algorithm] * 2
    assert all(re.fullmatch(rf"p[0-9a-f]{{8}}:{algorithm}:[A-Za-z0-9+/]{{43}}=", key) for key in made)


WITHOUT = """
import sys
sys.modules["cryptography"] = None  # as if it were not installed
from otp_app.core.events import Approval
from otp_app.core.instant import Instant
from otp_app.proof import Proofs, new_key, parse_proof_keys
maker = Proofs(parse_proof_keys(new_key("HS256")), issuer="x", ttl=60, clock=lambda: Instant(0.0, "", 0.0))
print(maker.token(Approval("+14155552671", "pay", "VE", "sms", 0.0), "shop").count("."))
try:
    parse_proof_keys(new_key("EdDSA"))
except ValueError as error:
    print(error)
"""


def test_cryptography_is_for_eddsa_only():
    """Without it HS256 works, and an EdDSA key says what to install."""
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    command = f"{sys.executable} -m pip install --require-hashes -r requirements-eddsa.txt"
    assert ran.stdout.splitlines() == ["2", f"EdDSA keys need another package: {command}"]
