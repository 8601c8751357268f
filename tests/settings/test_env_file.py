"""Files of settings are read strictly: no line is dropped, and none becomes another setting, without a fault."""

import os
from pathlib import Path

import pytest

from otp_app import startup
from otp_app.settings import mounts
from otp_app.settings.env_file import LARGEST, FileFault, read_lines, read_text


def write(folder, content):
    """A file with four good lines before and two after."""
    file = folder / ".env"
    before, after = b"# settings\n\nPORT=6000\n\n", b"\nOTP_TTL=120\n"
    file.write_bytes(before + content + after)
    return file


BROKEN = {
    "an open quote": b'OTP_COUNTRIES="US,IN', "an open single quote": b"OTP_COUNTRIES='US,IN",
    "a quote that a later line closes": b'OTP_COUNTRIES="US\nOTP_PUBLIC=1\nOTP_APP_NAME=x"',
    "a quote that swallows an export": b'OTP_COUNTRIES="US\nexport A=1\nB="', "a colon": b"OTP_COUNTRIES: US",
    "a colon without a blank": b"OTP_COUNTRIES:US", "a colon before the sign": b"OTP_COUNTRIES:=US",
    "a name alone": b"OTP_COUNTRIES", "a name alone with a comment": b"OTP_COUNTRIES # none",
    "an exported name alone": b"export OTP_COUNTRIES", "set": b"set OTP_COUNTRIES=US",
    "setenv": b"setenv OTP_COUNTRIES US", "EXPORT": b"EXPORT OTP_COUNTRIES=US", "no name": b"=US",
    "a plus": b"OTP_COUNTRIES+=US", "a dash in the name": b"OTP-COUNTRIES=US",
    "a name in quotes": b'"OTP_COUNTRIES"=US', "a letter of another script": "\u041eTP_COUNTRIES=US".encode(),
    "two settings": b"OTP_APP_NAME=Shop OTP_COUNTRIES=US",
    "two settings with a semicolon": b"OTP_APP_NAME=Shop;OTP_COUNTRIES=US",
    "two settings, the second exported": b"OTP_APP_NAME=Shop && export PORT=1",
    "two settings, the first in quotes": b'OTP_APP_NAME="Shop" OTP_COUNTRIES=US',
    "two settings without a break": b"OTP_APP_NAME=ShopOTP_COUNTRIES=US",
    "a setting behind a secret": b"TWILIO_AUTH_TOKEN=abcdefgh12345678OTP_COUNTRIES=US",
    "a setting behind a path": b"OTP_STORE_URL=sqlite:///var/otp.dbREDIS_HOST=US",
    "a setting behind a comment": b"# where we sendOTP_COUNTRIES=US",
    "a database behind a comment": b"# where users areDATABASE_URL=sqlite:///users.db",
    "a database behind a value": b"OTP_APP_NAME=ShopDATABASE_URL=sqlite:///users.db",
    "a setting behind the comment of another": b"OTP_APP_NAME=Shop # oursOTP_COUNTRIES=US",
    "a setting behind the comment of a text in quotes": b"OTP_APP_NAME='Shop' # oursOTP_COUNTRIES=US",
    "a setting behind the end of a sentence": b"# Only these.OTP_COUNTRIES=US",
    "a setting behind a setting that is a comment": b"#OTP_APP_NAME=USOTP_COUNTRIES=US",
    "a setting behind an empty setting that is a comment": b"#OTP_TEST_NUMBERS=OTP_COUNTRIES=US",
    "a setting behind a line of dashes": b"# ----------OTP_COUNTRIES=US",
    "a setting behind a line of equals signs": b"# =====OTP_COUNTRIES=US",
    "a setting behind a line of number signs": b"##########OTP_COUNTRIES=US",
    "a setting behind a line of stars": b"# *** keys ***OTP_COUNTRIES=US",
    "a setting behind a heading": b"# API KEYSOTP_COUNTRIES=US",
    "a setting behind the heading of another": b"OTP_APP_NAME=Shop # ENDOTP_COUNTRIES=US",
    "a setting behind words in quotes": b'# by default "any"OTP_COUNTRIES=US',
    "text behind a quote": b"OTP_COUNTRIES='US',IN", "a backslash at the end": b"OTP_APP_NAME=Shop\\\nOTP_PUBLIC=1",
    "a NUL byte": b"OTP_COUNTRIES=US\0IN", "an escape": b"OTP_COUNTRIES=\x1bUS",
    "a vertical tab": b"OTP_APP_NAME=x\x0bOTP_COUNTRIES=US",
    "a line separator": "OTP_APP_NAME=x\u2028OTP_COUNTRIES=US".encode(),
    "a carriage return alone": b"OTP_APP_NAME=x\rOTP_COUNTRIES=US",
    "a mark of the byte order": b"\xef\xbb\xbfOTP_COUNTRIES=US", "a name for the second time": b"PORT=6000",
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_line_that_cannot_be_read_stops_the_start(content, tmp_path):
    """It is named by its number, and nothing of it is repeated."""
    write(tmp_path, content)
    with pytest.raises(startup.BadSettings) as error:
        startup.load({}, tmp_path)
    assert error.value.faults[0].startswith(".env: line 5 ")
    assert "cannot be read" in error.value.faults[0] or content == BROKEN["a name for the second time"]
    assert not [line for line in error.value.faults if line.startswith(".env") and ("US" in line or "Shop" in line)]


def test_every_broken_line_is_reported(tmp_path):
    """Each by its own number, blank lines and Windows line ends counted."""
    (tmp_path / ".env").write_bytes(b"\r\n\r\nA: 1\r\n\r\n# no\r\nB\r\nC=1\r\n")
    with pytest.raises(startup.BadSettings) as error:
        startup.load({}, tmp_path)
    assert [line.partition(" cannot")[0] for line in error.value.faults] == [".env: line 3", ".env: line 6"]


GOOD = {
    "a comment": (b"# OTP_COUNTRIES: US 'tis", {}),
    "a comment on settings": (b"#OTP_PUBLIC=1, `OTP_PUBLIC=1` (OTP_PUBLIC=1) TOTP_KEY=1 #OTP_TTL=60", {}),
    "a comment on further settings": (b"###OTP_PUBLIC=1, **OTP_TTL=60** 'OTP_TTL=60' a,OTP_TTL=60 -OTP_TTL=60", {}),
    "a comment in quotes": (b'OTP_MESSAGE="{code}# xOTP_X=2" # ours', {"OTP_MESSAGE": "{code}# xOTP_X=2"}),
    "an indented comment": (b"   #OTP_COUNTRIES", {}),
    "export": (b"export OTP_COUNTRIES=US", {"OTP_COUNTRIES": "US"}),
    "blanks": (b"  OTP_COUNTRIES = US  ", {"OTP_COUNTRIES": "US"}),
    "a comment behind a value": (b"OTP_COUNTRIES=US # OTP_PUBLIC=1", {"OTP_COUNTRIES": "US"}),
    "a comment behind a quote": (b"OTP_COUNTRIES='US'# here", {"OTP_COUNTRIES": "US"}),
    "nothing": (b"OTP_CLIENT_LIMITS=", {"OTP_CLIENT_LIMITS": ""}),
    "Windows line ends": (b"OTP_COUNTRIES=US\r", {"OTP_COUNTRIES": "US"}),
    "base64": (b"OTP_SECRET_KEYS=k2:QUJD+/8=,k1:QUI=", {"OTP_SECRET_KEYS": "k2:QUJD+/8=,k1:QUI="}),
    "a URL": (b"OTP_STORE_URL=postgresql://a:b=@h/d?A=1&B=2", {"OTP_STORE_URL": "postgresql://a:b=@h/d?A=1&B=2"}),
    "a text in quotes": (b'OTP_MESSAGE="{code}: A=1, OTP_X=2"', {"OTP_MESSAGE": "{code}: A=1, OTP_X=2"}),
    "a value of several lines": (b"OTP_MESSAGE='{code}\n  is: yours'", {"OTP_MESSAGE": "{code}\n  is: yours"}),
    "a variable of others": (b"my_name=1", {"my_name": "1"}),
}


@pytest.mark.parametrize(("content", "found"), GOOD.values(), ids=GOOD)
def test_a_good_line_is_read(content, found, tmp_path):
    """As shells and other readers of such files read it."""
    lines = read_lines(write(tmp_path, content))
    assert lines.faults == []
    assert lines.values == {"PORT": "6000", "OTP_TTL": "120", **found}


def make(kind, path):
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling link":
        path.symlink_to("nothing")
    else:
        contents = {"huge": b"#" * (LARGEST + 1), "UTF-16": "PORT=1".encode("utf-16"), "Latin-1": b"A=\xe9"}
        path.write_bytes(contents[kind])


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "huge", "UTF-16", "Latin-1"])
@pytest.mark.parametrize("how", [".env", "NAME_FILE"])
def test_a_file_that_is_no_text_is_a_fault(kind, how, tmp_path):
    """At once: nobody waits for who writes into a pipe, and nothing starts without what the file was to say."""
    make(kind, tmp_path / ("file" if how == "NAME_FILE" else ".env"))
    given = {"OTP_API_KEYS_FILE": str(tmp_path / "file")} if how == "NAME_FILE" else {}
    with pytest.raises(startup.BadSettings) as error:
        startup.load(given, tmp_path)
    (line,) = error.value.faults
    assert line.startswith(("OTP_API_KEYS_FILE: the file ", ".env: the file "))


def test_a_file_that_only_its_mount_keeps_is_a_fault(tmp_path):
    """As in a container after `sed -i` outside: a reload would read the keys of before, and revoke none."""
    with (file := tmp_path / "keys").open("w+") as mount:
        file.unlink()
        with pytest.raises(FileFault, match="restart the container"):
            read_text(Path(f"/proc/self/fd/{mount.fileno()}"))


def test_a_mounted_file_that_is_renamed_outside_is_a_fault(tmp_path, monkeypatch):
    """As Emacs and `sed -i.bak` do: the old file is the backup, and still what the mount shows."""
    (file := tmp_path / "keys of all").write_text("old")
    monkeypatch.setattr(mounts, "MOUNTS", listed := tmp_path / "mountinfo")
    at = str(file).replace(" ", "\\040")
    line = f"65 44 254:0 /secrets/keys{{}} {at} rw - ext4 /dev/vda rw\n66 44 254:0 / /run rw - tmpfs tmpfs rw\n"
    listed.write_text(line.format(""))
    assert [read_text(file), read_text(file)] == ["old", "old"]
    listed.write_text(line.format("~"))
    with pytest.raises(FileFault, match="its mount keeps the old file"):
        read_text(file)


def test_a_file_whose_mounted_folder_is_renamed_outside_is_a_fault(tmp_path, monkeypatch):
    """As where a deployment puts a new folder in its place: the mount goes on to show the old one."""
    (file := tmp_path / "keys").write_text("old")
    monkeypatch.setattr(mounts, "MOUNTS", listed := tmp_path / "mountinfo")
    places = ("/", tmp_path.parent, tmp_path, f"{tmp_path}-2", f"{file}.d")
    lines = [f"65 44 254:0 /{number} {place} rw - ext4 /dev/vda rw\n" for number, place in enumerate(places)]
    listed.write_text("".join(lines))
    assert read_text(file) == "old"
    for other in (0, 1, 3, 4):  # none of these has the file
        listed.write_text("".join(lines).replace(f"/{other} ", "/new "))
        assert read_text(file) == "old"
    listed.write_text("".join(lines).replace("/2 ", "/old "))
    with pytest.raises(FileFault, match="it or its folder was replaced"):
        read_text(file)


def test_a_file_that_is_replaced_while_it_is_opened_is_read_anew(tmp_path, monkeypatch):
    """What had its name before has none then either."""
    (file := tmp_path / "keys").write_text("old")
    (new := tmp_path / "keys.new").write_text("new")
    opened = os.open

    def open_late(path, *options):
        handle = opened(path, *options)
        if new.exists():
            new.replace(file)
        return handle

    monkeypatch.setattr(os, "open", open_late)
    assert read_text(file) == "new"


def test_a_file_that_may_not_be_looked_for_is_a_fault(tmp_path):
    """As in a folder that is closed to the server's user: nobody knows what it would have said."""
    (folder := tmp_path / "folder").symlink_to("folder")  # closed to root, too
    with pytest.raises(startup.BadSettings) as error:
        startup.load({}, folder)
    assert error.value.faults == [".env: the file cannot be read"]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfsecret", b"sec\0ret", b"one\rtwo"])
def test_a_value_has_no_bytes_that_nobody_sees(content, tmp_path):
    """A secret with a byte order mark before it would match nothing."""
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FileFault, match="the file has"):
        read_text(tmp_path / "file")


def test_without_the_file_nothing_is_set(tmp_path):
    assert read_lines(tmp_path / ".env").values == {}
