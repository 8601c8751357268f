"""Proofs over HTTP: the fields of POST /verify-otp, and the public keys."""

from __future__ import annotations

import logging
import runpy
import time

import jwt
import pytest

from otp_app.proof import new_key
from otp_app.system.logs import JsonLines
from tests.architecture.source import ROOT
from tests.web.site import api_key, wrong

verify_proof = runpy.run_path(str(ROOT / "examples/proof/verify.py"))["verify_proof"]
FAILED = {"success": False, "message": "OTP verification failed!"}
KEYS = f"{new_key('EdDSA')},{new_key('HS256')}"
WANTED = {"audience": "https://shop.example", "nonce": "n-0S6_WzA2Mj"}
ASKED = {f"proof_{name}": value for name, value in WANTED.items()}


@pytest.fixture
def site(open_site):
    """A server that signs with an EdDSA key and has a shared one too."""
    return open_site(otp_proof_keys=KEYS, otp_proof_issuer="https://otp.example")


def check(site, number, otp=None, **fields):
    return site.post("/verify-otp", {"phone_number": number, "otp": otp or site.code(), **fields})


def claims(answer):
    return jwt.decode(answer.json["proof"], options={"verify_signature": False})


def test_an_approval_is_proven(site):
    """The usual answer and a proof, which a verifier accepts that knows the public keys and nothing else."""
    site.clock.seconds = time.time()  # the verifier has a clock of its own
    number = site.number()
    sent = site.post("/send-otp", {"phone_number": number, "purpose": "pay"}).json
    answer = check(site, number, purpose="pay", **ASKED)
    assert list(answer.json) == ["success", "message", "status", "verification_id", "proof"]
    keys = site.call("GET", "/.well-known/jwks.json").json["keys"]
    said = verify_proof(answer.json["proof"], keys, issuer="https://otp.example", purpose="pay", **WANTED)
    assert (said["phone_number"], said["channel"]) == (number, "sms")
    assert said["verification_id"] == said["jti"] == sent["verification_id"] == answer.json["verification_id"]


def test_a_proof_is_from_the_moment_of_the_check(site):
    """Not from that of the send, and it lives OTP_PROOF_TTL, 120 s by default."""
    number = site.number()
    site.send(number)
    site.clock.advance(100)
    said = claims(check(site, number, **ASKED))
    assert (said["iat"], said["exp"] - said["iat"]) == (site.clock.seconds, 120)


def test_settings_say_how_long_it_lives(open_site):
    """OTP_PROOF_TTL."""
    site = open_site(otp_proof_keys=KEYS, otp_proof_ttl=30)
    number = site.number()
    site.send(number)
    said = claims(check(site, number, **ASKED))
    assert (said["exp"] - said["iat"], said["iss"]) == (30, "otp_app")


def test_who_knows_the_id_alone_gets_the_number(site):
    """A proof by verification_id names the phone that the code went to: docs/proof.md says so."""
    number = site.number()
    sent = site.send(number).json
    answer = site.post(
        "/verify-otp", {"verification_id": sent["verification_id"], "otp": site.code(), "proof_audience": "shop"}
    )
    said = claims(answer)
    assert (said["phone_number"], said["purpose"], "nonce" in said) == (number, "login", False)


def test_who_asks_for_none_gets_none(site):
    """The answer is as it is on a server without keys."""
    number = site.number()
    site.send(number)
    assert list(check(site, number).json) == ["success", "message", "status", "verification_id"]


def test_a_wrong_code_proves_nothing(site):
    """It gets the answer that it always got; so does a second use of the right one."""
    number = site.number()
    site.send(number)
    assert check(site, number, wrong(site.code()), **ASKED).json == FAILED
    assert "proof" in check(site, number, **ASKED).json
    assert check(site, number, **ASKED).json == FAILED


NO_KEYS = {"otp_proof_keys": ""}
UNUSABLE = [
    (NO_KEYS, ASKED, "proof_audience: this server gives no proofs"),
    (NO_KEYS, {"proof_nonce": "n"}, "proof_nonce needs proof_audience"),
    ({}, {"proof_nonce": "n"}, "proof_nonce needs proof_audience"),
    *(({}, ASKED | {name: value}, f"{name}: ") for name in ASKED
      for value in ("", "a" * 256, "a b", "a\n", "é", "a\x7f", None, 1, ["a"])),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "fields", "error"), UNUSABLE)
def test_an_impossible_proof_is_refused_before_the_code_is_checked(open_site, settings, fields, error):
    """No try is spent by wrong codes, and the right one is not used up."""
    site = open_site(**{"otp_proof_keys": KEYS} | settings)
    number = site.number()
    site.send(number)
    for code in [wrong(site.code())] * 5 + [site.code()]:
        answer = check(site, number, code, **fields)
        assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
        assert answer.json["error"].startswith(error)
    assert check(site, number).status_code == 200


@pytest.mark.parametrize("value", ["!", "~" * 255, '"\\', "https://shop.example/?a=b#c"])
def test_an_audience_and_a_nonce_come_back_as_they_were(site, value):
    number = site.number()
    site.send(number)
    said = claims(check(site, number, proof_audience=value, proof_nonce=value))
    assert (said["aud"], said["nonce"]) == (value, value)


def test_proofs_are_not_logged(site, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonLines())
    number = site.number()
    site.send(number)
    proof = check(site, number, **ASKED).json["proof"]
    assert "approved" in caplog.text
    secrets = (*proof.split("."), *WANTED.values(), number)
    assert [part for part in secrets if part in caplog.text] == []


# ---- the public keys


def test_public_keys_are_for_everybody(open_site):
    """With API keys configured too; shared secrets and private halves are not among them."""
    site = open_site(otp_proof_keys=KEYS, otp_api_keys=api_key("shop", "send", "a"))
    answer = site.call("GET", "/.well-known/jwks.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    (key,) = answer.json["keys"]
    assert key.keys() == {"kty", "crv", "kid", "alg", "use", "x"}
    assert key["kid"] == KEYS.partition(":")[0]


def test_where_all_keys_are_shared_none_is_reported(open_site):
    """An empty list, and nothing of the secret."""
    site = open_site(otp_proof_keys=new_key("HS256"))
    assert site.call("GET", "/.well-known/jwks.json").get_data(as_text=True).strip() == '{"keys":[]}'


def test_without_keys_there_is_no_such_page(open_site):
    """A server that gives no proofs has nothing to tell."""
    assert open_site().call("GET", "/.well-known/jwks.json").status_code == 404
