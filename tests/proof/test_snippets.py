"""The verifiers of examples/proof, each run by its own language on the same tokens."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.proof import cases

HERE = Path(__file__).parent
DRIVERS = {"python": "drive.py", "node": "drive.mjs", "php": "drive.php"}
KEY_IDS = ("h1", "e1")
ROWS = [(key_id, row["name"]) for key_id in KEY_IDS for row in cases.TABLE] + [("e1", "alg HS256")]
ACCEPTED = {row["name"] for row in cases.TABLE if row.get("accepted")}
Outcomes = dict[str, Any]
MOMENT = 4.0  # seconds; a row of the table is good for 5


def tokens() -> dict[str, str]:
    """All tokens, by key id and what is special or wrong."""
    made = {f"{key_id} {row['name']}": cases.built(row, key_id) for key_id in KEY_IDS for row in cases.TABLE}
    return made | {"e1 alg HS256": cases.confused()}


@pytest.fixture(scope="module", params=DRIVERS)
def verify(request: pytest.FixtureRequest) -> Callable[[dict[str, Any]], Outcomes]:
    """Call it with cases to get claims, or the words of a refusal, for each."""
    program = sys.executable if request.param == "python" else require(request.param)

    def run(made: dict[str, Any]) -> Outcomes:
        given = json.dumps({"keys": cases.jwks(), "cases": made})
        command = [program, str(HERE / DRIVERS[request.param])]
        ran = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
        results: Outcomes = json.loads(ran.stdout)
        return results

    return run


@pytest.fixture(scope="module")
def outcomes(verify: Callable[[dict[str, Any]], Outcomes]) -> Outcomes:
    """What the verifier made of all tokens, while those that expired a moment ago have not expired for longer."""
    for _ in range(20):
        begun = time.monotonic()
        found = verify({name: {"token": token, **cases.WANTED} for name, token in tokens().items()})
        if time.monotonic() - begun < MOMENT:
            return found
    pytest.fail(f"no verifier was done within {MOMENT} seconds")


@pytest.mark.parametrize(("key_id", "name"), ROWS)
def test_the_verifiers_agree_with_the_table(outcomes, key_id, name):
    """In each language, with either algorithm: the claims of a good proof, and a refusal for each thing wrong."""
    claims = outcomes[f"{key_id} {name}"]
    assert isinstance(claims, dict) is (name in ACCEPTED), claims
    if name in ACCEPTED:
        assert (claims["phone_number"], claims["jti"]) == (cases.APPROVAL.phone, cases.APPROVAL.verification_id)


@pytest.mark.parametrize("wanted", cases.WANTED)
def test_a_proof_is_for_what_it_says(verify, wanted):
    """Whoever wants another issuer, audience, purpose or nonce gets nothing from it."""
    token = cases.good("h1")
    made = {"same": cases.WANTED, "other": cases.WANTED | {wanted: "other"}}
    results = verify({name: {"token": token, **fields} for name, fields in made.items()})
    assert [type(results[name]) for name in made] == [dict, str]


def test_a_proof_without_a_nonce_is_none_to_who_gave_one(verify):
    """Nor is an empty nonce a way to ask for less."""
    token = cases.proofs("h1").token(cases.APPROVAL, cases.WANTED["audience"])
    results = verify({nonce: {"token": token, **cases.WANTED, "nonce": nonce} for nonce in ("given", "")})
    assert [type(outcome) for outcome in results.values()] == [str, str]


def test_a_key_that_was_replaced_still_counts(verify):
    """While a verifier knows both, proofs of the old and of the new key are good."""
    results = verify({key_id: {"token": cases.good(key_id), **cases.WANTED} for key_id in ("h1", "h2", "e1", "e2")})
    assert [type(outcome) for outcome in results.values()] == [dict] * 4
