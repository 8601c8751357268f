"""The command line: moving a store."""

import json
import os
import subprocess
import sys
from contextlib import closing, suppress

import pytest

from otp_app.core.moving import Freeze, Item
from otp_app.history.database import open_database
from otp_app.history.schema import MARK
from otp_app.stores import open_store
from otp_app.stores.sqlite.store import SqliteStore
from tests.command import run
from tests.running import ROOT

SECRET = "pass-word-of-the-store"
#: URLs with a password that cannot be used, each for another reason.
UNUSABLE = [
    f"redis://:{SECRET}@127.0.0.1:1/0", f"redis://:{SECRET}@127.0.0.1:port/0",
    f"redis://:{SECRET}@127.0.0.1:1/0?socket_timeout=60", f"redis+cluster://:{SECRET}@127.0.0.1:1",
    f"redis+sentinel://:{SECRET}@127.0.0.1:1/main", f"redis+sentinel://:{SECRET}@127.0.0.1:1",
    f"postgresql://otp:{SECRET}@127.0.0.1:1/otp", f"postgresql://otp:{SECRET}@127.0.0.1:1/otp?nonsense=1",
    f"postgresql://otp:{SECRET}@127.0.0.1:1/otp?pool=0", f"mysql://otp:{SECRET}@127.0.0.1/otp",
]  # fmt: skip


def fill(url: str, count: int) -> str:
    with closing(open_store(url)) as store:
        store.load([Item(f"k{n}", b"x", 3600.0) for n in range(count)])
    return url


def content(url: str) -> int:
    with closing(open_store(url)) as store:
        return len(list(store.scan()))


def test_copying_moves_a_store(capsys, folder):
    """What to do next is said, with where the keys are."""
    status, printed, error = run(capsys, "store", "copy", fill("sqlite:///a.db", 5), "sqlite:///b.db")
    assert (status, error) == (0, "100%  5 of 5\n")
    assert printed.startswith("Copied 5 records.\nThe first store stays frozen. Now, on all servers:\n")
    assert all(word in printed for word in ("OTP_STORE_URL", "OTP_SECRET_KEYS", "OTP_INDEX_KEY", ".keys", "503"))
    assert f"second store, {folder}/b.db;" in printed
    assert content("sqlite:///b.db") == 5


@pytest.mark.parametrize(("count", "lines"), [
    (1, ["100%  1 of 1"]), (1000, ["100%  1000 of 1000"]),
    (3000, [" 33%  1000 of 3000", " 66%  2000 of 3000", "100%  3000 of 3000"]),
    (2001, [" 49%  1000 of 2001", " 99%  2000 of 2001", "100%  2001 of 2001"]),
])  # fmt: skip
def test_progress_is_lines_where_there_is_no_terminal(capsys, count, lines):
    """One for each tenth at most; 100 % at the end, once, and never before."""
    _, _, error = run(capsys, "store", "copy", fill("sqlite:///a.db", count), "sqlite:///b.db")
    assert error.splitlines() == lines


def test_of_many_a_line_for_each_tenth(capsys):
    _, _, error = run(capsys, "store", "copy", fill("sqlite:///a.db", 25_500), "sqlite:///b.db")
    assert [line.partition("%")[0][:-1].strip() for line in error.splitlines()] == [*list("123456789"), "10"]


def on_terminal(folder, *arguments):
    """The exit status and what a terminal would have got on standard error."""
    ours, theirs = os.openpty()
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "otp_app", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=theirs) as copy:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux's way to say that the other end is closed
            while part := os.read(ours, 4096):
                shown += part
        os.close(ours)
    return copy.returncode, shown.decode()


@pytest.mark.parametrize("count", [1, 2000, 2500])
def test_on_a_terminal_progress_is_a_bar(folder, count):
    """Each drawing goes over the one before; the last one is full."""
    status, shown = on_terminal(folder, "store", "copy", fill("sqlite:///a.db", count), "sqlite:///b.db")
    drawn = [part for part in shown.replace("\x1b[?25l", "").replace("\x1b[?25h", "").split("\r") if part.strip()]
    assert status == 0
    assert f"{count}/{count}" in drawn[-1]
    assert "#" * 36 in drawn[-1]
    assert "-" * 36 in drawn[0]


def test_a_url_may_stand_in_a_file(capsys, folder):
    """So that neither the list of processes nor the shell's history shows its password."""
    fill("sqlite:///a.db", 5)
    (folder / "from").write_text("sqlite:///a.db\n\n")
    (folder / "to").write_text("sqlite:///b.db")
    assert run(capsys, "store", "copy", "@from", "@to")[0] == 0
    assert content("sqlite:///b.db") == 5


def test_a_file_that_cannot_be_read_is_named(capsys):
    status, _, error = run(capsys, "store", "copy", "@nowhere", "sqlite:///b.db")
    assert status == 2
    assert error.endswith("Invalid value for 'FROM': the file nowhere cannot be read (FileNotFoundError)\n")


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_url_that_cannot_be_used_is_a_line(folder, url):
    """It names the argument, not the password. From a real process, where a library's threads would speak too."""
    (folder / "url").write_text(url)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "otp_app", "store", "copy", "@url", "sqlite:///b.db"]
    ended = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
    assert ended.stderr.startswith("FROM: ")
    assert SECRET not in ended.stderr


def test_a_target_that_cannot_be_reached_stops_nothing(capsys):
    fill("sqlite:///a.db", 5)
    status, printed, error = run(capsys, "store", "copy", "sqlite:///a.db", "redis://127.0.0.1:1/0")
    assert (status, printed) == (1, "")
    assert error == "TO: The store is not available (ConnectionError: no answer there, or not the expected one)\n"
    with closing(open_store("sqlite:///a.db")) as store:
        store.ping()


@pytest.mark.parametrize("command", [("copy", "sqlite:///typo.db", "sqlite:///b.db"), ("thaw", "sqlite:///typo.db")])
def test_a_file_that_is_not_there_is_not_made(capsys, folder, command):
    status, _, error = run(capsys, "store", *command)
    assert (status, error.partition(": ")[2]) == (1, f"the file {folder}/typo.db does not exist\n")
    assert list(folder.iterdir()) == []


def test_a_target_in_a_folder_that_is_not_there_is_not_made(capsys, folder):
    """A slip in a relative path: the line shows where it would have been, and the first store goes on."""
    fill("sqlite:///a.db", 5)
    before = sorted(folder.iterdir())
    status, printed, error = run(capsys, "store", "copy", "sqlite:///a.db", "sqlite:///vra/b.db")
    line = f"TO: the directory {folder}/vra does not exist; create it, or use another file\n"
    assert (status, printed, error) == (1, "", line)
    assert sorted(folder.iterdir()) == before


class Careless(SqliteStore):
    """Stands for a server on which no other server of ours would start."""

    def __init__(self, url, clock):
        super().__init__(url.replace("tests.cli.test_store:Careless?", "sqlite:///"), clock=clock)
        self.drops = url.endswith("drops.db")

    def faults(self):
        return ["it drops what it pleases"] if self.drops else []

    def advice(self):
        return ["it could be faster"]


def test_nothing_moves_to_where_no_server_would_start(capsys):
    """Found out before the first store is frozen, not after."""
    fill("sqlite:///a.db", 5)
    status, _, error = run(capsys, "store", "copy", "sqlite:///a.db", "tests.cli.test_store:Careless?drops.db")
    assert (status, error) == (1, "TO: it drops what it pleases\n")
    with closing(open_store("sqlite:///a.db")) as store:
        assert store.frozen() is None


def test_what_the_new_place_could_do_better_is_reported(capsys):
    fill("sqlite:///a.db", 5)
    status, _, error = run(capsys, "store", "copy", "sqlite:///a.db", "tests.cli.test_store:Careless?b.db")
    assert (status, error.splitlines()[0]) == (0, "TO: it could be faster")


def test_memory_cannot_be_moved(capsys):
    status, printed, error = run(capsys, "store", "copy", "memory://", "sqlite:///b.db")
    assert (status, printed, len(error.splitlines())) == (1, "", 1)
    assert "use sqlite, redis or postgresql" in error


def test_a_refused_copy_is_a_line(capsys):
    fill("sqlite:///a.db", 0)
    status, printed, error = run(capsys, "store", "copy", "sqlite:///a.db", "sqlite:///b.db")
    assert (status, printed, error) == (1, "", "the first store is empty; check its URL\n")


def test_an_interrupted_copy_is_given_up(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(SqliteStore, "load", interrupted)
    with closing(open_store("sqlite:///a.db")) as store:
        store.swap("k", None, b"x", 3600.0)
        status, printed, error = run(capsys, "store", "copy", "sqlite:///a.db", "sqlite:///b.db")
        assert (status, printed) == (130, "")
        assert error.splitlines()[-1].startswith("Interrupted")
        store.ping()


def test_thawing_lets_servers_go_on(capsys):
    """After a copy that was killed; nothing that was moved is thawed."""
    fill("sqlite:///a.db", 5)
    with closing(open_store("sqlite:///a.db")) as store:
        store.freeze(Freeze.MOVING)
        assert run(capsys, "store", "thaw", "sqlite:///a.db") == (0, "The store is usable again.\n", "")
        store.ping()
        store.freeze(Freeze.MOVED)
        status, printed, error = run(capsys, "store", "thaw", "sqlite:///a.db")
        assert (status, printed, len(error.splitlines())) == (1, "", 1)
        assert store.frozen() == Freeze.MOVED


def begun(url):
    """A history that was kept; `store copy` leaves it where it is."""
    with closing(open_database(url)) as database, database.writing() as session:
        session.change(MARK, ("reader", 1.0))


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_the_history_that_is_left_behind_is_named(capsys, folder, new_store, kind):
    """Servers of the second store keep another one, or none, and nothing finds the numbers of the first one."""
    begun("sqlite:///a-history.db")
    status, printed, _ = run(capsys, "store", "copy", fill("sqlite:///a.db", 5), new_store(kind), "--json")
    assert (status, json.loads(printed)["history"]) == (0, f"sqlite:///{folder}/a-history.db")


def test_people_are_told_how_to_keep_the_history(capsys, folder):
    begun("sqlite:///a-history.db")
    _, printed, _ = run(capsys, "store", "copy", fill("sqlite:///a.db", 5), "sqlite:///b.db")
    assert f"The history of the first store stays in {folder}/a-history.db," in printed
    assert f"OTP_HISTORY_URL=sqlite:///{folder}/a-history.db" in printed


def test_the_history_in_a_database_is_left_with_it(capsys, new_store):
    """Its URL may have a password, so the words name it only."""
    url = fill(new_store("postgres"), 5)
    begun(url)
    _, printed, _ = run(capsys, "store", "copy", url, "sqlite:///b.db")
    assert "The history of the first store stays in its database," in printed
    assert "OTP_HISTORY_URL to the URL of the first store" in printed


@pytest.mark.parametrize("chosen", ["", "off", "sqlite:///rows.db"])
def test_a_history_that_stays_in_use_is_not_mentioned(capsys, monkeypatch, chosen):
    """Nor one that was never kept."""
    if chosen:
        begun("sqlite:///a-history.db")
        monkeypatch.setenv("OTP_HISTORY_URL", chosen)
    printed = run(capsys, "store", "copy", fill("sqlite:///a.db", 5), "sqlite:///b.db", "--json").output
    assert json.loads(printed)["history"] is None
