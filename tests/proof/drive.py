"""What every driver here does: read keys and cases from standard input, print what the verifier made of each."""

import json
import runpy
import sys
from pathlib import Path

import jwt

verify_proof = runpy.run_path(str(Path(__file__).parents[2] / "examples/proof/verify.py"))["verify_proof"]


def outcome(keys, case):
    try:
        return verify_proof(case.pop("token"), keys, **case)
    except jwt.InvalidTokenError as error:
        return str(error)


given = json.load(sys.stdin)
print(json.dumps({name: outcome(given["keys"], case) for name, case in given["cases"].items()}))
