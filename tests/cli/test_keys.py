"""The command line: accounts for callers that speak to Twilio Verify, and keys of proofs."""

import hashlib
import io
import os
import re
import subprocess
import sys
import time

import pytest

from otp_app import proof
from otp_app.apis.verify_v2.settings import verify_accounts
from otp_app.cli import keys
from tests.command import run
from tests.running import ROOT

SID = "AC" + "0123456789abcdef" * 2
TOKEN = "fedcba9876543210" * 2


def made(printed):
    """What the settings make of the line, and the words that its caller gets by their names."""
    head, _, line = printed.partition("OTP_VERIFY_ACCOUNTS=")
    (account,) = verify_accounts(line.strip())
    return account, dict(re.findall(r"^    ([\w ]+): +(\S+)$", head, re.MULTILINE))


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


# ---- keys account


def test_a_new_account_fits_its_line(capsys):
    """The token is shown once; the line has its digest only."""
    status, printed, error = run(capsys, "keys", "account")
    account, words = made(printed)
    assert (status, error, list(words)) == (0, "", ["Account SID", "Auth token"])
    assert (account.account, account.user) == (words["Account SID"], words["Account SID"])
    assert account.digest == digest(words["Auth token"])
    assert printed.count(words["Auth token"]) == 1


@pytest.mark.parametrize("given", [(), (SID,)])
def test_an_api_key_is_of_an_account(capsys, given):
    """Of a new one, or of one's own, whose token is not asked for."""
    status, printed, _ = run(capsys, "keys", "account", *given, "--api-key")
    account, words = made(printed)
    assert (status, list(words)) == (0, ["Account SID", "API key SID", "API key secret"])
    assert (account.account, account.user) == (words["Account SID"], words["API key SID"])
    assert account.digest == digest(words["API key secret"])
    assert words["Account SID"] == SID or not given


@pytest.mark.parametrize("more", [(), ("--api-key",)])
def test_no_two_accounts_are_alike(capsys, more):
    one, other = (made(run(capsys, "keys", "account", *more)[1]) for _ in range(2))
    assert not set(one[1].values()) & set(other[1].values())


@pytest.mark.parametrize("typed", [TOKEN, f"{TOKEN}\n", f" {TOKEN} \r\n", f"{TOKEN}\nmore\n"])
def test_an_account_is_kept_with_its_token(capsys, monkeypatch, typed):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    status, printed, error = run(capsys, "keys", "account", SID)
    assert (status, error) == (0, "")
    assert printed.endswith(f"    OTP_VERIFY_ACCOUNTS={SID}:{digest(TOKEN)}\n")
    assert TOKEN not in printed


@pytest.mark.parametrize("typed", ["", "\n", TOKEN[:-1], f"\n{TOKEN}\n"])
def test_a_short_token_is_refused(capsys, monkeypatch, typed):
    """No line for the settings comes of it, and it is not repeated."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert run(capsys, "keys", "account", SID) == (2, "", "A token must have at least 32 characters\n")


@pytest.mark.parametrize("typed", [
    f"\ufeff{TOKEN}\n".encode(), f"{TOKEN}\n".encode("utf-16"), f'"{TOKEN}"\n'.encode(), f"{TOKEN}\0".encode(),
    f"TWILIO_AUTH_TOKEN={TOKEN}\n".encode(),
], ids=["byte order mark", "UTF-16", "quotes", "NUL", "name"])  # fmt: skip
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_what_is_more_than_a_token_is_refused(capsys, monkeypatch, typed, errors):
    """As an editor or a shell of Windows writes it, or copied from settings: no client would ever be let in with it."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), "utf-8", errors))
    assert run(capsys, "keys", "account", SID) == (2, "", f"{keys.ALONE}\n")


@pytest.mark.parametrize("sid", ["", "AC", SID[:-1], SID + "0", SID.upper(), SID.replace("AC", "SK"), f"{SID}\n"])
@pytest.mark.parametrize("more", [(), ("--api-key",)])
def test_what_is_no_account_is_refused(capsys, monkeypatch, sid, more):
    """Before a token is asked for; nothing is made that the settings would not take."""
    monkeypatch.setattr(sys, "stdin", None)
    status, printed, error = run(capsys, "keys", "account", sid, *more)
    assert (status, printed) == (2, "")
    assert error == "An account SID must be AC and 32 hex digits in lower case, as in Twilio's console\n"


def test_a_terminal_does_not_show_the_token(tmp_path):
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "otp_app", "keys", "account", SID]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdin=theirs, stdout=theirs, stderr=theirs,
                          start_new_session=True) as typing:  # fmt: skip
        os.close(theirs)
        shown = until(ours, b"Auth token: ")
        os.write(ours, TOKEN.encode() + b"\n")
        shown += until(ours, digest(TOKEN).encode())
    os.close(ours)
    assert typing.returncode == 0
    assert TOKEN.encode() not in shown


def until(terminal, words):
    shown, end = b"", time.monotonic() + 20
    while words not in shown and time.monotonic() < end:
        shown += os.read(terminal, 4096)
    return shown


# ---- keys proof


@pytest.mark.parametrize(("more", "algorithm"), [((), "HS256"), (("--eddsa",), "EdDSA")])
def test_a_key_of_proofs_is_printed_as_a_setting(capsys, more, algorithm):
    """One line and nothing else, so that it can be appended to .env."""
    status, printed, error = run(capsys, "keys", "proof", *more)
    name, _, value = printed.partition("=")
    assert (status, error, name, printed.count("\n")) == (0, "", "OTP_PROOF_KEYS", 1)
    assert [key.algorithm for key in proof.parse_proof_keys(value.strip())] == [algorithm]
