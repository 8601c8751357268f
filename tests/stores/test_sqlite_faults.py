"""SQLite's own faults, on real files: each is StoreUnavailable, and over as soon as its cause is."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.stores.sqlite.file import unavailable
from otp_app.stores.sqlite.store import SqliteStore
from tests.conftest import absent
from tests.stores.faults import HOUR, locked, refused

NOBODY = 65_534
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def path() -> Iterator[Path]:
    """In a folder that every user can look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "var" / "otp.db"


def opened(path: Path) -> SqliteStore:
    return SqliteStore(f"sqlite:///{path}", lock_timeout=0.05, write_timeout=1)


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(opened(path)) as store:
        store.swap("old", None, b"a", HOUR)
        store.add("c", 1, HOUR)
        yield store


def counters(path: Path) -> Path:
    return path.with_name("otp-counters.db")


# ---- locked


def test_while_another_process_writes_changes_are_refused_and_reads_go_on(store: SqliteStore, path: Path) -> None:
    with locked(path):
        said = refused(lambda: store.swap("k", None, b"a", HOUR), store.ping, lambda: store.sweep(10))
        assert all("SQLITE_BUSY" in line for line in said)
        assert store.get("old") == b"a"
        assert store.add("c", 1, HOUR) == 2
    assert store.swap("k", None, b"b", HOUR).won


def test_a_short_lock_is_waited_for(path: Path) -> None:
    with closing(SqliteStore(f"sqlite:///{path}", lock_timeout=5, write_timeout=5)) as store:
        store.ping()
        with locked(path):
            pass
        assert store.swap("k", None, b"a", HOUR).won


def test_while_counters_are_locked_nothing_is_counted(store: SqliteStore, path: Path) -> None:
    with locked(counters(path)):
        said = refused(lambda: store.add("c", 1, HOUR), store.ping)
        assert all("SQLITE_BUSY" in line for line in said)
        assert store.add("c", 0, HOUR) == 1
        assert store.swap("k", None, b"a", HOUR).won
    assert store.add("c", 1, HOUR) == 2


# ---- full


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Fill the file system to its last byte."""
    filler = path.with_name("filler")
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    yield
    filler.unlink()


@contextmanager
def spent_quota() -> Iterator[None]:
    """Let no file of this process grow longer than 256 KiB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(path: Path) -> Iterator[None]:
    """A file system of 1 MiB where the store is to be; needs the right to mount."""
    path.parent.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(path.parent)]
    if not IS_ROOT or subprocess.run(command, capture_output=True, check=False).returncode:
        absent("the right to mount")
    yield
    subprocess.run(["umount", "-l", str(path.parent)], check=True)


def put_until_refused(store: SqliteStore) -> tuple[list[str], str]:
    """Return the keys that were put, and what the refusal says."""
    keys: list[str] = []
    try:
        while len(keys) < 300:
            store.swap(f"k{len(keys)}", None, b"x" * 8000, HOUR)
            keys.append(f"k{len(keys)}")
    except StoreUnavailable as error:
        return keys, str(error)
    raise AssertionError("there was room for everything")


def refusal_without_room(store: SqliteStore, full: AbstractContextManager[None]) -> str:
    """Check that nothing answered is lost, and that the store goes on with room. Return what it said without."""
    assert store.get("old") == b"a"
    with full:
        keys, said = put_until_refused(store)
        assert store.get("old") == b"a"
    assert [key for key in keys if store.get(key) != b"x" * 8000] == []
    assert store.swap("new", None, b"x" * 8000, HOUR).won
    return said


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_refuses_changes_until_there_is_room(path: Path) -> None:
    with closing(opened(path)) as store:
        store.swap("old", None, b"a", HOUR)
        store.add("c", 1, HOUR)
        assert "SQLITE_FULL" in refusal_without_room(store, full_disk(path))


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("left", [8, 16, 40, 80])
def test_a_file_without_room_leaves_nothing(path: Path, left: int) -> None:
    """Each start would leave its part, and a full disk would have even less room."""
    with full_disk(path):
        os.truncate(path.with_name("filler"), 1024 * (1024 - left))
        with closing(opened(path)) as store, pytest.raises(StoreUnavailable):
            store.get("k")
        assert [file.name for file in path.parent.iterdir()] == ["filler"]


def test_a_spent_quota_refuses_changes_until_there_is_more(store: SqliteStore) -> None:
    assert re.search("SQLITE_(FULL|IOERR_WRITE)", refusal_without_room(store, spent_quota()))


# ---- without rights


@contextmanager
def without_rights(folder: Path, files: int) -> Iterator[None]:
    """Files have these rights, the folder may not be written, and we are nobody in particular."""
    names = [file for file in folder.iterdir() if file.is_file()]
    for name in names:
        name.chmod(files)
    folder.chmod(0o555)
    if IS_ROOT:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if IS_ROOT:
            os.seteuid(0)
        folder.chmod(0o700)
        for name in names:
            name.chmod(0o600)


def test_a_file_that_may_only_be_read_refuses_changes_until_it_may_be_written(store: SqliteStore, path: Path) -> None:
    with closing(opened(path)) as later:
        with without_rights(path.parent, 0o444):
            assert later.get("old") == b"a"
            said = refused(lambda: later.swap("k", None, b"a", HOUR), lambda: later.add("c", 1, HOUR), later.ping)
            assert all("SQLITE_READONLY" in line for line in said)
        assert later.swap("k", None, b"a", HOUR).won
        assert later.add("c", 1, HOUR) == 2


def test_a_file_that_may_not_be_opened_is_a_fault_until_it_may(store: SqliteStore, path: Path) -> None:
    with closing(opened(path)) as later:
        with without_rights(path.parent, 0o000):
            said = refused(lambda: later.get("old"), lambda: later.swap("k", None, b"a", HOUR), later.ping)
            assert all("SQLITE_CANTOPEN" in line for line in said)
        assert later.get("old") == b"a"


def test_a_folder_that_may_not_be_written_is_a_fault_until_it_may(path: Path) -> None:
    path.parent.mkdir()
    with closing(opened(path)) as store:
        with without_rights(path.parent, 0o600):
            assert all("EACCES" in line for line in refused(store.ping, lambda: store.get("k")))
        store.ping()


def test_a_folder_that_cannot_be_made_is_a_fault_until_it_can(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")
    with closing(opened(path)) as store:
        refused(store.ping, lambda: store.get("k"), lambda: store.add("c", 1, HOUR))
        path.parent.unlink()
        store.ping()


@pytest.mark.usefixtures("small_disk")
def test_a_read_only_file_system_is_a_fault_until_it_may_be_written(path: Path) -> None:
    """The first call after the remount is served."""
    with closing(opened(path)) as store, closing(opened(path)) as later:
        store.swap("old", None, b"a", HOUR)
        store.add("c", 1, HOUR)
        store.close()  # the system remounts no file system with files open for writing
        remount(path.parent, "ro")
        refused(lambda: later.swap("k", None, b"a", HOUR), lambda: later.add("c", 1, HOUR), later.ping)
        remount(path.parent, "rw")
        assert later.swap("k", None, b"a", HOUR).won
        assert later.add("c", 1, HOUR) == 2


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


# ---- damaged


@pytest.mark.parametrize(("offset", "message"), [(0, "SQLITE_NOTADB"), (100, "SQLITE_CORRUPT")])
def test_a_damaged_beginning_is_a_fault_until_it_is_repaired(
    path: Path, store: SqliteStore, offset: int, message: str
) -> None:
    store.close()
    sound = path.read_bytes()
    path.write_bytes(sound[:offset] + b"\xa5" * 3000 + sound[offset + 3000 :])
    with closing(opened(path)) as again:
        said = refused(again.ping, lambda: again.get("old"), lambda: again.swap("k", None, b"a", HOUR))
        assert all(message in line for line in said[1:])
        path.write_bytes(sound)
        assert again.get("old") == b"a"
        assert again.swap("k", None, b"a", HOUR).won


def test_damage_in_the_middle_is_a_fault_of_what_lies_there_until_it_is_repaired(
    path: Path, store: SqliteStore
) -> None:
    for n in range(100):
        store.swap(f"k{n}", None, b"x" * 1000, HOUR)
    store.close()
    sound = path.read_bytes()
    path.write_bytes(sound[:8192] + b"\xa5" * (len(sound) - 8192))
    with closing(opened(path)) as again:
        said = refused(lambda: again.get("k50"), lambda: again.swap("k50", b"x" * 1000, b"a", HOUR))
        assert all("SQLITE_CORRUPT" in line for line in said)
        path.write_bytes(sound)
        assert again.swap("k50", b"x" * 1000, b"a", HOUR).won


# ---- gone


def test_a_file_that_was_renamed_is_a_fault_until_it_is_back(path: Path, store: SqliteStore) -> None:
    """SQLite would go on writing into it, and nobody would find that again."""
    path.rename(path.with_name("aside.db"))
    said = refused(lambda: store.swap("k", None, b"a", HOUR), lambda: store.get("old"), store.ping)
    assert all("SQLITE_CANTOPEN" in line for line in said)
    path.with_name("aside.db").rename(path)
    assert store.get("old") == b"a"
    assert store.swap("k", None, b"a", HOUR).won


def test_a_deleted_file_is_not_made_anew_by_a_process_that_knew_it(path: Path, store: SqliteStore) -> None:
    """All tries would begin anew. A new start may do that, and this process then goes on with the new file."""
    for name in ("otp.db", "otp.db-wal", "otp.db-shm"):
        path.with_name(name).unlink()
    refused(lambda: store.swap("k", None, b"a", HOUR), lambda: store.get("old"))
    assert not path.exists()
    with closing(opened(path)) as start:
        start.ping()
    assert store.swap("old", None, b"b", HOUR).won
    assert store.get("old") == b"b"


def test_changes_go_to_the_file_that_has_taken_the_place(path: Path, store: SqliteStore) -> None:
    """Not into the deleted one, which this process still has open."""
    for name in ("otp.db", "otp.db-wal", "otp.db-shm"):
        path.with_name(name).unlink()
    with closing(opened(path)) as start:
        start.ping()
        assert store.swap("k", None, b"a", HOUR).won
        assert start.get("k") == store.get("k") == b"a"


def test_a_log_without_its_file_is_a_fault(path: Path, store: SqliteStore) -> None:
    """SQLite would write what the log holds into a file that was made anew."""
    path.unlink()
    with closing(opened(path)) as start:
        assert all("otp.db-wal" in line for line in refused(start.ping, lambda: start.get("old")))
    assert not path.exists()


@pytest.mark.parametrize("names", [("otp.db-wal",), ("otp.db-wal", "otp.db-shm")], ids=["log", "log and index"])
def test_a_deleted_log_loses_no_answered_change(path: Path, store: SqliteStore, names: tuple[str, ...]) -> None:
    """SQLite would go on writing into the deleted one, which no other process and no later start can read.

    Each of the two connections may fail once to notice it.
    """
    store.get("old")
    for name in names:
        path.with_name(name).unlink()
    answered = [store.add("c", 1, HOUR), *(n for n in range(6) if swaps(store, f"k{n}"))]
    assert len(answered) > 4
    with closing(opened(path)) as start:
        assert start.get("old") == b"a"
        assert [start.get(f"k{n}") for n in answered[1:]] == [b"a"] * len(answered[1:])
        assert start.swap("k", None, b"a", HOUR).won
    assert store.get("k") == b"a"


def test_a_deleted_log_of_counters_loses_no_count(path: Path, store: SqliteStore) -> None:
    """What was counted into the deleted one is there for the next start too."""
    path.with_name("otp-counters.db-wal").unlink()
    assert store.add("c", 1, HOUR) == 2
    with closing(opened(path)) as start:
        assert start.add("c", 1, HOUR) == 3


def swaps(store: SqliteStore, key: str) -> bool:
    """Put a key and read it; say whether the change was answered."""
    try:
        won = store.swap(key, None, b"a", HOUR).won
    except StoreUnavailable:
        won = False
    with suppress(StoreUnavailable):
        store.get(key)
    return won


def test_counters_that_were_renamed_are_a_fault_until_they_are_back(path: Path, store: SqliteStore) -> None:
    counters(path).rename(path.with_name("aside.db"))
    refused(lambda: store.add("c", 1, HOUR), store.ping)
    path.with_name("aside.db").rename(counters(path))
    store.ping()
    assert store.add("c", 1, HOUR) == 2


def test_a_folder_that_was_renamed_is_a_fault_until_it_is_back(path: Path, store: SqliteStore) -> None:
    aside = path.parent.with_name("aside")
    path.parent.rename(aside)
    refused(store.ping, lambda: store.swap("k", None, b"a", HOUR))
    aside.rename(path.parent)
    store.ping()
    assert store.get("old") == b"a"


def test_no_fault_names_a_path_a_statement_or_a_value(path: Path, store: SqliteStore) -> None:
    path.rename(path.with_name("aside.db"))
    said = refused(lambda: store.swap("secret-key", None, b"secret-value", HOUR), lambda: store.get("secret-key"))
    assert said == ["The store is not available (SQLITE_CANTOPEN)"] * 2


@pytest.mark.parametrize(("number", "passing"), [(errno.ENOSPC, True), (errno.EACCES, False), (errno.EROFS, False)])
def test_only_a_fault_that_may_pass_lets_a_start_be_tried_again(number: int, passing: bool) -> None:
    """Rights and mounts do not change by themselves."""
    assert unavailable(OSError(number, "")).passing == passing
