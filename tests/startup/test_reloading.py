"""What a reload may not do."""

from dataclasses import replace

import pytest

from otp_app.apis.verify_v2.settings import ConfiguredService, VerifySettings, verify_accounts
from otp_app.settings.types import api_keys
from otp_app.startup import reloading
from otp_app.startup.rules import is_open
from tests.configuration import make_settings
from tests.web.site import Site

SHOP, CRON = "shop:send+verify:" + "1" * 63 + "2", "cron:metrics:" + "2" * 63 + "3"
ACCOUNT, OTHER = f"AC{'1' * 32}:{'3' * 63}4", f"AC{'1' * 32}/SK{'2' * 32}:{'4' * 63}5"
RUNNING = make_settings(
    otp_api_keys=api_keys(f"{SHOP},{CRON}"), otp_verify_accounts=verify_accounts(f"{ACCOUNT},{OTHER}"), otp_public=True
)


@pytest.fixture
def first(monkeypatch):
    """No settings were accepted before, and none stay so."""
    monkeypatch.setattr(reloading, "_accepted", None)
    monkeypatch.setattr(reloading, "_with_file", False)


@pytest.fixture
def left(tmp_path):
    """Who is still in, by name, once a reload with this `.env` was refused."""

    def of(content, running=RUNNING):
        (tmp_path / ".env").write_text(content)
        found = reloading.narrowed(running, {}, tmp_path)
        assert is_open(found)  # never one that takes everybody from this machine
        keys = {key.name: set(key.scopes) for key in found.otp_api_keys if key.digest}
        accounts = found.of(VerifySettings).otp_verify_accounts
        return keys, {account.user[:2] for account in accounts if account.digest}, found.otp_public

    return of


EVERYTHING = {"shop": {"send", "verify"}, "cron": {"metrics"}}


@pytest.mark.parametrize(("content", "keys"), [
    (f"OTP_API_KEYS={SHOP},{CRON}\nOTP_TTL=9999\n", EVERYTHING),
    (f"OTP_API_KEYS={SHOP}\nOTP_TTL=9999\n", {"shop": EVERYTHING["shop"]}),
    (f"OTP_API_KEYS={CRON},{SHOP},broken\n", EVERYTHING),
    (f"OTP_API_KEYS={SHOP.replace('+verify', '')},{CRON}\nOTP_TTL=9999\n", {"shop": {"send"}, "cron": {"metrics"}}),
    (f"OTP_API_KEYS={SHOP.replace('send', 'metrics+send')}\nOTP_TTL=9999\n", {"shop": {"send", "verify"}}),
    (f"OTP_API_KEYS={SHOP[:-1]}7\nOTP_TTL=9999\n", {}),
    (f"OTP_API_KEYS={SHOP},{CRON}\nOTP_API_KEYS={CRON}\nOTP_API_KEYS={SHOP},{CRON}\n", {}), ("OTP_API_KEYS=\n", {}),
    ("OTP_API_KEYS\n", {}), ("OTP_API_KEYS_FILE=/missing\n", {}), ("", {}),
])  # fmt: skip
def test_a_refused_reload_still_revokes(content, keys, left):
    """A key that is not named any more, or cannot be read, is out; scopes only shrink; a new digest is not in yet."""
    assert left(content)[0] == keys


@pytest.mark.parametrize(("content", "accounts", "public"), [
    (f"OTP_VERIFY_ACCOUNTS={ACCOUNT},{OTHER}\nOTP_PUBLIC=1\nOTP_TTL=9999\n", {"AC", "SK"}, True),
    (f"OTP_VERIFY_ACCOUNTS={OTHER}\nOTP_PUBLIC=0\n", {"SK"}, False),
    ("OTP_VERIFY_ACCOUNTS=\nOTP_PUBLIC=perhaps\n", set(), False),
])  # fmt: skip
def test_a_refused_reload_revokes_accounts_and_the_public(content, accounts, public, left):
    assert left(content)[1:] == (accounts, public)


def test_the_end_of_the_public_leaves_nobody(left):
    """Where there were no keys; the server stays closed to this machine too."""
    assert left("OTP_TTL=9999\n", make_settings(otp_public=True)) == ({}, set(), False)


def test_nothing_is_revoked_twice(tmp_path):
    """A second refused reload has nobody to name, so it replaces no worker."""
    once = reloading.narrowed(RUNNING, {}, tmp_path)
    out = ["shop", "cron", f"AC{'1' * 32}", f"SK{'2' * 32}", "callers without a key"]
    assert reloading.revoked(RUNNING, once) == out
    assert reloading.narrowed(once, {}, tmp_path) == once


def test_a_server_that_has_callers_is_not_opened():
    """By a reload whose settings, at a start, would be those of a server for this machine."""
    (line,) = reloading.faults(RUNNING, make_settings())
    assert line.startswith("OTP_API_KEYS: none is left")
    assert reloading.faults(make_settings(), make_settings()) == []
    assert reloading.faults(make_settings(), RUNNING) == []
    assert reloading.faults(RUNNING, make_settings(otp_api_keys=api_keys(SHOP))) == []


def test_a_revoked_account_does_not_give_another_one_the_logins_of_all():
    """With several accounts any service of one is apart from `login`; with one it is for it, as the native API is."""
    other = ACCOUNT.replace("1" * 32, "2" * 32, 1).replace("34", "35")
    several, one = (make_settings(otp_verify_accounts=text) for text in (f"{ACCOUNT},{other}", ACCOUNT))
    (line,) = (line for line in reloading.faults(several, one) if "login" in line)
    assert line.startswith("OTP_VERIFY_ACCOUNTS: ")
    services = {f"VA{'1' * 32}": ConfiguredService("shop")}
    named = make_settings(otp_verify_accounts=one.of(VerifySettings).otp_verify_accounts, otp_verify_services=services)
    for before, after in [(one, several), (one, one), (several, several), (several, named)]:
        assert not [line for line in reloading.faults(before, after) if "login" in line]


def test_a_store_for_one_process_takes_a_restart():
    """A server on a shared one may have several workers, or get more by a signal: it would end."""
    shared, alone = make_settings(), make_settings(otp_store_url="memory://")
    (line,) = reloading.faults(shared, alone)
    assert line.startswith("OTP_STORE_URL: ")
    assert reloading.faults(alone, alone) == reloading.faults(alone, shared) == []


@pytest.mark.parametrize("content", [None, "", "# OTP_COUNTRIES=US\n"])
@pytest.mark.usefixtures("first")
def test_a_file_of_settings_that_is_lost_opens_nothing(content, tmp_path):
    """What .env restricted is not known any more; a second reload does not forget it, and its return is enough."""
    file = tmp_path / ".env"
    file.write_text("OTP_COUNTRIES=US\n")
    reloading.accept(RUNNING, tmp_path)
    assert reloading.faults(RUNNING, RUNNING, tmp_path) == []
    file.unlink() if content is None else file.write_text(content)
    reloading.accept(RUNNING, tmp_path)
    (line,) = reloading.faults(RUNNING, RUNNING, tmp_path)
    assert line.startswith(".env: it is missing or sets nothing")
    file.write_text("OTP_COUNTRIES=US,IN\n")
    assert reloading.faults(RUNNING, RUNNING, tmp_path) == []


@pytest.mark.usefixtures("first")
def test_a_server_that_never_had_a_file_of_settings_misses_none(tmp_path):
    reloading.accept(RUNNING, tmp_path)
    assert reloading.faults(RUNNING, RUNNING, tmp_path) == []


def test_a_revoked_key_is_unknown_to_the_api():
    """And so is an empty one: no secret has the digest that is left."""
    site = Site(otp_api_keys=(replace(api_keys(SHOP)[0], digest=reloading.NO_DIGEST),))
    answers = [site.send(), site.send(key=""), site.send(key="otp_1_x")]
    site.close()
    assert [answer.status_code for answer in answers] == [401, 401, 401]
