"""The secret keys."""

import base64
import errno
import json
import os
import subprocess
import sys
from contextlib import closing

import pytest
from msgspec.structs import replace

from otp_app.settings import Settings, keyring
from otp_app.stores import open_store
from tests.running import ROOT

SECRET = base64.b64encode(b"s" * 32).decode()


@pytest.fixture
def settings(tmp_path):
    """Settings of a server whose store is a file that nobody has made yet."""
    return Settings(otp_store_url=f"sqlite:///{tmp_path}/var/otp.db?synchronous=NORMAL")


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "var" / "otp.keys"


def write(key_file, content, mode=0o600):
    key_file.parent.mkdir(exist_ok=True)
    key_file.write_bytes(content)
    key_file.chmod(mode)


def test_keys_are_made_beside_the_store(settings, key_file):
    """On the first start, with mode 0600 whatever the umask, and nothing else is left there."""
    umask = os.umask(0)
    try:
        keyring.ensure(settings)
    finally:
        os.umask(umask)
    assert list(key_file.parent.iterdir()) == [key_file]
    assert key_file.stat().st_mode & 0o777 == 0o600
    keys, index_key = keyring.keys(settings)
    assert (len(keys.keys[keys.current]), len(index_key)) == (32, 32)
    assert keys.keys[keys.current] != index_key


def test_settings_may_hold_the_keys_of_the_file(settings, key_file):
    """Then they are the same without it; a store that has no such file has nothing to hold."""
    keyring.ensure(settings)
    keys, held = keyring.keys(settings), keyring.held(settings)
    key_file.unlink()
    assert keyring.keys(held) == keys
    assert keyring.held(held) == held
    assert keyring.held(Settings(otp_store_url="memory://")) == Settings(otp_store_url="memory://")


def test_keys_survive_a_restart(settings, key_file, monkeypatch):
    """The second start changes nothing, and tries to write nothing."""
    keyring.ensure(settings)
    before = key_file.read_bytes()
    first = keyring.keys(settings)
    monkeypatch.setattr(keyring, "_make", lambda _: pytest.fail("made again"))
    keyring.ensure(settings)
    assert keyring.keys(settings) == first
    assert key_file.read_bytes() == before


def test_two_servers_have_two_keys(tmp_path):
    found = set()
    for name in ("one", "two"):
        settings = Settings(otp_store_url=f"sqlite:///{tmp_path}/{name}.db")
        keyring.ensure(settings)
        keys, index_key = keyring.keys(settings)
        found |= {keys.keys[keys.current], index_key}
    assert len(found) == 4


RACE = """
import sys, time
from pathlib import Path
from otp_app.settings import keyring
from otp_app.settings import Settings
folder = Path(sys.argv[1])
(folder / f"ready-{sys.argv[2]}").touch()
while len(list(folder.glob("ready-*"))) < 2:
    time.sleep(0.001)
for n in range(30):
    settings = Settings(otp_store_url=f"sqlite:///{folder}/{n}/otp.db")
    keyring.ensure(settings)
    print(keyring.keys(settings)[1].hex())
"""


@pytest.mark.slow
def test_two_starts_at_once_have_one_file(tmp_path):
    """Both processes read the same keys, each time, and no draft is left."""
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    starts = [subprocess.Popen([*command, str(n)], env=environ, stdout=subprocess.PIPE, text=True) for n in range(2)]
    first, second = [start.communicate(timeout=60)[0].split() for start in starts]
    assert len(set(first)) == 30
    assert first == second
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"otp.keys", "ready-0", "ready-1"}


def test_the_loser_of_a_race_takes_the_winners_keys(settings, key_file):
    """A start that found no file, and finds one when it comes to put its own there."""
    keyring.ensure(settings)
    before = key_file.read_bytes()
    keyring._make(key_file)
    assert key_file.read_bytes() == before
    assert list(key_file.parent.iterdir()) == [key_file]


def test_a_draft_of_a_start_that_died_is_no_obstacle(settings, key_file):
    """In a container every start has the same process id."""
    write(key_file.with_name(f"otp.keys.{os.getpid()}"), b"OTP_SECRET_KEYS=k1:")
    keyring.ensure(settings)
    assert keyring.keys(settings)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_a_file_that_others_can_read_is_refused(settings, key_file, mode):
    keyring.ensure(settings)
    key_file.chmod(mode)
    with pytest.raises(keyring.BadKeyFile, match=f"OTP_SECRET_KEYS: .*chmod 600 {key_file}"):
        keyring.ensure(settings)


def test_a_file_for_the_owner_alone_will_do(settings, key_file):
    keyring.ensure(settings)
    key_file.chmod(0o400)
    assert keyring.keys(settings)


@pytest.mark.parametrize("content", [
    b"", b"\n", b"OTP_SECRET_KEYS\n", f"OTP_SECRET_KEYS=k1:{SECRET}\n".encode(),
    f"OTP_INDEX_KEY={SECRET}\n".encode(), f"OTP_SECRET_KEYS={SECRET}\nOTP_INDEX_KEY={SECRET}\n".encode(),
    f"OTP_SECRET_KEYS=k1:{SECRET[:20]}\nOTP_INDEX_KEY={SECRET}\n".encode(),
    f"OTP_SECRET_KEYS=k1:{SECRET}\nOTP_INDEX_KEY={SECRET[:20]}\n".encode(),
    f"OTP_SECRET_KEYS=k1:{SECRET}\nOTP_INDEX_KEY=".encode() + b"\xff" * 44, b"\x00" * 100, b"\xff\xfe" * 100,
])  # fmt: skip
def test_a_damaged_file_is_refused(settings, key_file, content):
    """Never made anew by itself: with other keys every code on its way would be wrong. No key is shown."""
    write(key_file, content)
    with pytest.raises(keyring.BadKeyFile, match=r"OTP_SECRET_KEYS: .* is damaged") as error:
        keyring.ensure(settings)
    assert SECRET[:10] not in str(error.value)
    assert key_file.read_bytes() == content


def test_a_file_that_is_gone_is_reported(settings):
    """A worker makes no keys: those before it might have had others."""
    with pytest.raises(keyring.BadKeyFile, match="cannot be read"):
        keyring.keys(settings)


def test_where_no_file_can_be_it_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(keyring.BadKeyFile, match="cannot be made"):
        keyring.ensure(Settings(otp_store_url=f"sqlite:///{tmp_path}/file/otp.db"))


def test_keys_of_the_settings_count_and_no_file_is_made(tmp_path):
    other = base64.b64encode(b"o" * 32).decode()
    settings = Settings(
        otp_store_url=f"sqlite:///{tmp_path}/otp.db", otp_secret_keys=f"k2:{other},k1:{SECRET}", otp_index_key=SECRET
    )
    keyring.ensure(settings)
    keys, index_key = keyring.keys(settings)
    assert (keys.current, dict(keys.keys), index_key) == ("k2", {"k2": b"o" * 32, "k1": b"s" * 32}, b"s" * 32)
    assert list(tmp_path.iterdir()) == []


def test_the_file_can_be_moved_into_the_settings(settings, key_file):
    """Its lines are lines of .env, and mean the same there."""
    keyring.ensure(settings)
    lines = dict(line.split("=", 1) for line in key_file.read_text(encoding="ascii").splitlines())
    given = {name.lower(): text for name, text in lines.items()}
    assert keyring.keys(replace(settings, **given)) == keyring.keys(settings)


def test_a_key_file_that_the_settings_hide_is_told_of(settings, key_file):
    """Whoever rotates a key there would go on with the old one. The same keys in both are left of a move."""
    keyring.ensure(settings)
    lines = dict(line.split("=", 1) for line in key_file.read_text(encoding="ascii").splitlines())
    both = replace(settings, **{name.lower(): text for name, text in lines.items()})
    assert keyring.unused(settings) == keyring.unused(both) == []
    write(key_file, key_file.read_bytes().replace(b"=k1:", f"=k2:{SECRET},k1:".encode()))
    (line,) = keyring.unused(both)
    assert line.startswith("OTP_SECRET_KEYS: these keys are used, and not those of")
    write(key_file, b"damaged")
    assert keyring.unused(both) == [line]
    key_file.unlink()
    assert keyring.unused(both) == []


@pytest.mark.parametrize("name", ["OTP_SECRET_KEY", "OTP_PROOF_KEYS", "A" * 43])
def test_another_line_in_the_key_file_is_a_fault(settings, key_file, name):
    """A misspelled name would leave the old key in use. What stands for a name may be a part of a key."""
    keyring.ensure(settings)
    write(key_file, key_file.read_bytes() + f"{name}=k2:{SECRET}\n".encode())
    with pytest.raises(keyring.BadKeyFile, match="is damaged: line 3 is none of") as error:
        keyring.keys(settings)
    assert name not in str(error.value).split()


def test_memory_has_keys_for_its_life():
    settings = Settings(otp_store_url="memory://")
    keyring.ensure(settings)
    assert keyring.keys(settings) != keyring.keys(settings)


@pytest.mark.parametrize("url", ["redis://x", "postgresql://x/y", "tests.shared_store:NetworkStore"])
def test_a_shared_store_has_no_random_keys(url):
    """Under them nothing is found, and nobody finds what is written."""
    settings = Settings(otp_store_url=url)
    keyring.ensure(settings)
    with pytest.raises(keyring.BadKeyFile, match="OTP_SECRET_KEYS, OTP_INDEX_KEY: a shared store needs"):
        keyring.keys(settings)


@pytest.mark.parametrize(("url", "own"), [
    ("sqlite:///otp.db", True), ("memory://", True), ("redis://x", False), ("tests.shared_store:NetworkStore", False),
])  # fmt: skip
def test_only_what_one_machine_has_may_run_on_keys_of_its_own(url, own):
    """Servers that share a store must derive the same codes."""
    assert keyring.makes_own(Settings(otp_store_url=url)) is own


@pytest.mark.parametrize(("name", "key_file"), [
    ("otp.db", "otp.keys"), ("otp", "otp.keys"), ("a b.db", "a b.keys"), ("a%20b.db", "a b.keys"),
    ("otp.2026.db", "otp.2026.keys"), ("otp#1.db", "otp#1.keys"), ("otp.db?synchronous=OFF", "otp.keys"),
])  # fmt: skip
def test_the_key_file_lies_beside_the_database(tmp_path, name, key_file, monkeypatch):
    """In its folder and with its name, the URL read as the store reads it."""
    monkeypatch.chdir(tmp_path)
    for url in (f"sqlite:///here/{name}", f"sqlite:////{tmp_path}/there/{name}"):
        settings = Settings(otp_store_url=url)
        keyring.ensure(settings)
        with closing(open_store(url)) as store:
            store.ping()
    database = name.partition("?")[0].replace("%20", " ")
    assert {path.name for path in (tmp_path / "here").iterdir()} >= {key_file, database}
    assert {path.name for path in (tmp_path / "there").iterdir()} >= {key_file, database}


def test_a_new_secret_has_32_random_bytes():
    secrets = {keyring.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(base64.b64decode(secret)) for secret in secrets} == {32}


def test_what_is_printed_is_what_is_read():
    """`keys secret` prints two lines for the settings."""
    lines = dict(line.split("=", 1) for line in keyring.new_lines().splitlines())
    settings = Settings(**{name.lower(): text for name, text in lines.items()})
    assert json.dumps(sorted(lines)) == '["OTP_INDEX_KEY", "OTP_SECRET_KEYS"]'
    assert keyring.keys(settings)


def test_lost_keys_are_not_replaced_beside_a_database(tmp_path):
    """New ones would end every code and every limit without a word."""
    settings = Settings(otp_store_url=f"sqlite:///{tmp_path}/otp.db")
    keyring.ensure(settings)
    (tmp_path / "otp.db").write_bytes(b"records")
    (tmp_path / "otp.keys").unlink()
    with pytest.raises(keyring.BadKeyFile, match="put it back"):
        keyring.ensure(settings)
    (tmp_path / "otp.db").unlink()
    keyring.ensure(settings)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_a_key_file_that_is_no_file_is_a_fault(tmp_path, make):
    """It is not opened: a FIFO would hold the start for ever."""
    make(tmp_path / "otp.keys", 0o600)
    settings = Settings(otp_store_url=f"sqlite:///{tmp_path}/otp.db", otp_secret_keys="")
    with pytest.raises(keyring.BadKeyFile, match="is not a regular file"):
        keyring.ensure(settings)


def test_a_full_disk_leaves_no_part_of_a_key_file(tmp_path, monkeypatch):
    """One line, and the next start finds the folder as it was."""

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keyring.os, "fsync", full)
    settings = Settings(otp_store_url=f"sqlite:///{tmp_path}/otp.db", otp_secret_keys="")
    with pytest.raises(keyring.BadKeyFile, match="No space left"):
        keyring.ensure(settings)
    assert list(tmp_path.iterdir()) == []
