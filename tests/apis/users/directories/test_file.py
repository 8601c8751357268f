"""Files of users: what they say, and what happens when they change."""

import os
import re
import threading

import pytest

from otp_app.apis.users.directories import file as file_module
from otp_app.apis.users.directories import open_directory
from otp_app.apis.users.directories.file import FileDirectory
from otp_app.apis.users.user_id import user_id
from otp_app.core.errors import DirectoryUnavailable

ANN, BOB = "+14155552671", "+14155552672"
CSV = f"user_id,phone_number\nann,{ANN}\n"


@pytest.fixture
def write(tmp_path):
    """Call it with a name and a content to get the directory of that file."""

    def written(name, content):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return FileDirectory(f"file:///{tmp_path / name}")

    return written


GOOD = {
    "plain.csv": f"user_id,phone_number\nann,{ANN}\nbob,\n",
    "other-columns.csv": f'name,phone_number,user_id\n"Lee, Ann",{ANN},ann\n,,bob\n',
    "excel.csv": f"\ufeffuser_id,phone_number\r\n ANN , {ANN} \r\n\r\nBob,\r\n",
    "plain.json": f'{{"ann": "{ANN}", "bob": null}}',
    "empty-number.json": f'\ufeff{{"Ann": "{ANN}", "BOB": ""}}',
    "table.toml": f'title = "ours"\n[users]\nAnn = "{ANN}"\nbob = ""\n',
    "top.toml": f'ann = "{ANN}"\nBob = ""\nusers = "+14155552673"\n',
    "no-last-break.csv": f'user_id,phone_number\r\n"ann","{ANN}"\r\nbob,',
    "grouped.csv": 'user_id,phone_number\nann,"+14155552671 "\n" bob ",""',
    "UPPER.CSV": f"user_id,phone_number\nann,{ANN}\nbob,\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_a_file_says(write, name):
    """A number, no number, no such user: in every format, ids in any case."""
    users = write(name, GOOD[name])
    assert [users.phone(user_id) for user_id in ("ann", "bob", "eve", "", "ann\0", "\ud800")] == [ANN, "", *[None] * 4]


BAD = {
    "empty.csv": ("", "line 1 must name the columns"),
    "semicolons.csv": (f"user_id;phone_number\nann;{ANN}\n", "line 1 must name the columns"),
    "column-twice.csv": ("user_id,phone_number,phone_number\n", "line 1 must name the columns"),
    "half-a-line.csv": (f"{CSV}bo\n", "row 3 has 1 fields, the header 2"),
    "comma.csv": (f"name,user_id,phone_number\nLee, Ann,ann,{ANN}\n", "row 2 has 4 fields, the header 3"),
    "quote.csv": (f'{CSV}bob,"{BOB}\n', "line 3 is not CSV"),
    "twice.csv": (f"{CSV}ANN,{BOB}\n", "row 3 has the user id of one before, row 2"),
    "twice-composed.csv": ("user_id,phone_number\nzo\u00e9,\n\nZOE\u0301 ,\n", "row 4 has the user id of one before"),
    "no-id.csv": (f"{CSV} ,{BOB}\n", "row 3 has no user id"),
    "latin.csv": (f"{CSV}zo\xeb,{BOB}\n".encode("latin-1"), "line 3 is not UTF-8"),
    "list.json": (f'["{ANN}"]', "it must be one object"),
    "deep.json": ("[" * 100_000, "it must be one object"),
    "cut.json": (f'{{"ann":\n "{ANN}",\n', "line 3 is not JSON"),
    "twice.json": (f'{{"ann": "{ANN}", "Ann": "{BOB}"}}', "entry 2 has the user id of one before"),
    "same-key.json": (f'{{"ann": "{ANN}", "ann": "{BOB}"}}', "entry 2 has the user id of one before"),
    "number.json": (f'{{"bob": null, "ann": {ANN[1:]}}}', "entry 2 has a number that is no text"),
    "object.json": (f'{{"ann": {{"phone": "{ANN}"}}}}', "entry 1 has a number that is no text"),
    "huge.json": (f'{{"ann": {"1" * 5000}}}', "entry 1 has a number that is no text"),
    "cut.toml": (f'[users]\nann = "{ANN}\n', "line 2 is not TOML"),
    "end.toml": ("ann = ", "it is not TOML"),
    "empty.toml": ("# of shop\n", "it is empty"),
    "split.toml": (f'ann = "{ANN}"\n[users]\nbob = ""\n', "it has users before the table"),
    "latin.toml": ("ann = '\xeb'".encode("latin-1"), "line 1 is not UTF-8"),
    "huge.toml": (f"ann = {'1' * 5000}", "it is not TOML"),
    "twice.toml": (f'ANN = "{ANN}"\nann = "{BOB}"\n', "entry 2 has the user id of one before"),
    "dotted.toml": (f'[users]\nann.lee = "{ANN}"\n', "entry 1 has a number that is no text"),
    "deep.toml": ("a = " + "[" * 100_000, "it must be one table"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_reported(write, caplog, name):
    """By line or entry, to the caller and once in the log, without a word of what is there."""
    content, fault = BAD[name]
    users = write(name, content)
    for _ in range(2):
        with pytest.raises(DirectoryUnavailable, match=fault):
            users.phone("ann")
    (record,) = caplog.records
    assert name in record.getMessage()
    assert fault in record.getMessage()
    assert not re.search(r"(?i)\b(ann|bob?)\b|415555|111", record.getMessage().partition(name)[2])


UNREADABLE = ["4.36641E+11", "447911123456", f"'{ANN}", "NULL", f"{ANN};{BOB}", f"{ANN}/{BOB}", f"{ANN} x12"]


@pytest.mark.parametrize("cell", [*UNREADABLE, f"{ANN}.0", f"{ANN} ext. 12", "004479111234", "\uff0b44791112", "+4479"])
@pytest.mark.parametrize("ending", ["csv", "json", "toml"])
def test_a_number_that_cannot_be_read_spoils_its_file(write, caplog, cell, ending):
    """What a spreadsheet made of a number is not taken: the users before stay, the log says where it is."""
    users = write(f"users.{ending}", GOOD[{"csv": "plain.csv", "json": "plain.json", "toml": "table.toml"}[ending]])
    assert users.phone("ann") == ANN
    new = {"csv": f'user_id,phone_number\nbob,\neve,"{cell}"\n', "json": f'{{"bob": "", "eve": "{cell}"}}'}
    write(f"users.{ending}", new.get(ending, f'bob = ""\neve = "{cell}"\n'))
    assert [users.phone("ann"), users.phone("eve")] == [ANN, None]
    (record,) = caplog.records
    place = "row 3" if ending == "csv" else "entry 2"
    assert f"{place} has a phone number that cannot be read: write it as text" in record.getMessage()
    assert cell not in record.getMessage().replace("+14155552671", "")
    assert "eve" not in record.getMessage()


@pytest.mark.parametrize("written", ["zo\u00e9", "zoe\u0301", " Zo\u00c9 ", "ZOE\u0301"])
def test_an_id_has_one_spelling(write, written):
    """Composed or not, in any case, with blanks around; requests are spelled the same way before they come here."""
    assert write("users.csv", f"user_id,phone_number\n{written},{ANN}\n").phone(user_id(" ZOE\u0301")) == ANN


def test_a_ping_looks_into_the_file(write, tmp_path):
    """A missing file, and one that cannot be read, while there are no users from before."""
    users = write("users.csv", CSV)
    users.ping()
    write("users.csv", CSV.replace(",", ";"))
    users.ping()
    for other in (FileDirectory(f"file://{tmp_path}/absent.csv"), write("users.csv", CSV.replace(",", ";"))):
        with pytest.raises(DirectoryUnavailable):
            other.ping()


@pytest.mark.parametrize("url", ["file:my%20users.csv", "my users.csv", "./my users.csv"])
def test_a_relative_path_begins_where_the_server_starts(tmp_path, monkeypatch, url):
    (tmp_path / "my users.csv").write_text(CSV)
    monkeypatch.chdir(tmp_path)
    relative = open_directory(url)
    monkeypatch.chdir("/")
    assert relative.phone("ann") == ANN


@pytest.mark.parametrize("start", ["file://", "file:", "file://localhost", ""])
def test_three_slashes_begin_an_absolute_path(tmp_path, monkeypatch, start):
    """As RFC 8089 has it; four, as it was written before, too."""
    (tmp_path / "users.csv").write_text(CSV)
    monkeypatch.chdir("/usr")
    for absolute in (f"{start}{tmp_path}/users.csv", f"file:///{tmp_path}/users.csv"):
        assert open_directory(absolute).phone("ann") == ANN


def test_a_change_counts_at_once(write):
    """Written over or replaced, with the same size too."""
    users = write("users.csv", CSV)
    assert users.phone("ann") == ANN
    write("users.csv", f"{CSV}bob,{BOB}\n")
    assert users.phone("bob") == BOB
    write("new.csv", CSV.replace(ANN, BOB))
    (users._path.parent / "new.csv").replace(users._path)
    assert [users.phone("ann"), users.phone("bob")] == [BOB, None]


def test_a_change_that_keeps_its_time_counts(write):
    """A copy with the times of its source, as rsync and cp -p make it."""
    users = write("users.csv", CSV)
    os.utime(users._path, ns=(0, 0))
    assert users.phone("ann") == ANN
    users._path.write_text(CSV.replace(ANN, BOB))
    os.utime(users._path, ns=(0, 0))
    assert users.phone("ann") == BOB


def test_an_unchanged_file_is_not_read_again(write, monkeypatch):
    users = write("users.csv", CSV)
    assert users.phone("ann") == ANN
    monkeypatch.setattr(users, "_content", None)
    assert users.phone("ann") == ANN


def test_a_bad_change_keeps_the_last_good_content(write, caplog):
    """Reported once for each fault; a good change ends it."""
    users = write("users.csv", CSV)
    assert users.phone("ann") == ANN
    for content in (f"{CSV}bob\n", f"{CSV}ann,{BOB}\n"):
        write("users.csv", content)
        assert [users.phone("ann"), users.phone("ann")] == [ANN, ANN]
    assert [record.getMessage().partition("; ")[2] for record in caplog.records] == ["the users read before stay"] * 2
    write("users.csv", CSV.replace(ANN, BOB))
    assert users.phone("ann") == BOB


def test_a_bad_file_is_read_once(write, monkeypatch):
    users = write("users.csv", "")
    with pytest.raises(DirectoryUnavailable, match="line 1"):
        users.phone("ann")
    monkeypatch.setattr(users, "_content", None)
    with pytest.raises(DirectoryUnavailable, match="line 1"):
        users.phone("ann")


def test_a_file_that_went_away_and_came_back(write, caplog):
    """What was read stays; it is reported again when it happens again."""
    users = write("users.csv", CSV)
    assert users.phone("ann") == ANN
    for _ in range(2):
        users._path.unlink()
        assert [users.phone("ann"), users.phone("ann")] == [ANN, ANN]
        write("users.csv", CSV)
        assert users.phone("ann") == ANN
    assert len(caplog.records) == 2


def test_a_file_that_was_never_there(write, caplog):
    users = FileDirectory("file:////nowhere/users.csv")
    for _ in range(2):
        with pytest.raises(DirectoryUnavailable, match="ENOENT"):
            users.phone("ann")
    assert [record.getMessage() for record in caplog.records] == [
        "directory /nowhere/users.csv: ENOENT; there are no users"
    ]


def test_what_is_no_file(tmp_path):
    """A pipe would hold every request until somebody writes to it."""
    os.mkfifo(tmp_path / "users.csv")
    with pytest.raises(DirectoryUnavailable, match="it is no file"):
        FileDirectory(f"file:///{tmp_path}/users.csv").phone("ann")


def test_a_file_that_only_its_mount_keeps(tmp_path, caplog):
    """As in a container after a rename outside, which does not reach it: the numbers there are those of before."""
    (source := tmp_path / "source").write_text(CSV)
    with source.open() as mount:
        (path := tmp_path / "users.csv").symlink_to(f"/proc/self/fd/{mount.fileno()}")
        users = FileDirectory(f"file:///{path}")
        assert users.phone("ann") == ANN
        source.unlink()
        assert users.phone("ann") == ANN
        with pytest.raises(DirectoryUnavailable, match="restart the container"):
            FileDirectory(f"file:///{path}").ping()
    assert "its mount keeps the old file" in caplog.records[0].getMessage()


def test_a_file_has_a_greatest_size(write):
    users = write("users.csv", CSV)
    assert FileDirectory(f"file:///{users._path}", max_size=len(CSV)).phone("ann") == ANN
    with pytest.raises(DirectoryUnavailable, match=f"more than {len(CSV) - 1} bytes"):
        FileDirectory(f"file:///{users._path}", max_size=len(CSV) - 1).phone("ann")


def test_others_go_on_while_one_reads(write, monkeypatch):
    """With the content before; a change never makes requests wait for each other."""
    monkeypatch.setattr(file_module, "READ_TIMEOUT", 10)
    users = write("users.csv", CSV)
    assert users.phone("ann") == ANN
    write("users.csv", CSV.replace(ANN, BOB))
    reading, go_on = threading.Event(), threading.Event()
    read = users._read

    def slowly(content):
        reading.set()
        assert go_on.wait(2)
        return read(content)

    users._read = slowly
    reader = threading.Thread(target=users.phone, args=["ann"])
    reader.start()
    assert reading.wait(10)
    assert users.phone("ann") == ANN
    go_on.set()
    reader.join()
    assert users.phone("ann") == BOB


def test_the_first_reading_is_waited_for(write, monkeypatch):
    monkeypatch.setattr(file_module, "READ_TIMEOUT", 0.05)
    users = write("users.csv", CSV)
    with users._turn, pytest.raises(DirectoryUnavailable, match="it is being read"):
        users.phone("ann")
    assert users.phone("ann") == ANN
