"""The secret keys: from the settings, or made on the first start in a file beside the SQLite store.

The file has the form of `.env` lines, so that its lines can be moved to a secret store as they are.
"""

from __future__ import annotations

import base64
import os
import secrets
import stat
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from otp_app.core.codes import CodeKeys, parse_keys, parse_secret
from otp_app.settings import Settings
from otp_app.settings.env_file import FileFault, read_lines

NAMES = ("OTP_SECRET_KEYS", "OTP_INDEX_KEY")
NEEDED = (
    "OTP_SECRET_KEYS, OTP_INDEX_KEY: a shared store needs the same keys on every server: the two lines of otp.keys "
    "where there is one, else those of `python -m otp_app keys secret`"
)


class BadKeyFile(Exception):
    """The key file cannot be used, or there are no keys; the text says what to change."""


def makes_own(settings: Settings) -> bool:
    """Return whether the server may make the keys itself, since no other server derives codes for this store."""
    return settings.otp_store_url.partition("://")[0] in ("sqlite", "memory")


def ensure(settings: Settings) -> None:
    """Make the key file if one is needed. Raises BadKeyFile."""
    path = _file(settings)
    if path is None:
        return
    if not exists(path):
        file = database(settings.otp_store_url)
        if file and exists(file):
            raise BadKeyFile(
                f"OTP_SECRET_KEYS: the key file {path} is missing beside its database: put it back, or move the "
                "database away too, which ends all codes and limits"
            )
        _make(path)
    _read(path)


def keys(settings: Settings) -> tuple[CodeKeys, bytes]:
    """Return the keys of codes and the index key. Raises BadKeyFile, ValueError."""
    path = _file(settings)
    if path:
        return _read(path)
    if settings.otp_secret_keys:
        return parse_keys(settings.otp_secret_keys), parse_secret(settings.otp_index_key)
    if not makes_own(settings):  # under random keys nothing is found, and what is written is found by nobody
        raise BadKeyFile(NEEDED)
    # Only memory:// gets here: its codes end with the process, so its keys may too.
    return parse_keys(f"k1:{new_secret()}"), parse_secret(new_secret())


def held(settings: Settings) -> Settings:
    """Return the settings with the keys of the key file, so that the file is not read again.

    Raises BadKeyFile.
    """
    path = _file(settings)
    if path is None:
        return settings
    _, _, given = _checked(path)
    return replace(settings, otp_secret_keys=given["OTP_SECRET_KEYS"], otp_index_key=given["OTP_INDEX_KEY"])


def unused(settings: Settings) -> list[str]:
    """Return a line where a key file has other keys than the settings, which win: who changes it changes nothing.

    The same keys in both are what remains after a move between stores.
    """
    file = database(settings.otp_store_url)
    if file is None or not settings.otp_secret_keys:
        return []
    path = file.with_suffix(".keys")
    try:
        if not exists(path) or _read(path) == keys(settings):
            return []
    except BadKeyFile:
        pass  # it is not used either
    return [f"OTP_SECRET_KEYS: these keys are used, and not those of {path}: rotate them here, and move that file away"]


def database(url: str) -> Path | None:
    """Return the file of a SQLite store, or None for other stores."""
    if not url.startswith("sqlite://"):
        return None
    return Path(unquote(urlsplit(url, allow_fragments=False).path).removeprefix("/"))


def exists(path: Path) -> bool:
    """Return whether there is such a file. Raises BadKeyFile if this user cannot read its folder."""
    try:
        return path.exists()
    except OSError as error:
        raise BadKeyFile(_closed(path, error.strerror)) from None


def lacks_target(path: Path) -> bool:
    """Return whether it is a link to what is not there, such as a disk that is not mounted. Raises BadKeyFile."""
    return not exists(path) and path.is_symlink()


def folder_fault(path: Path) -> str | None:
    """Return a line if this user could not make such a file. It makes nothing."""
    folder = next(parent for parent in path.absolute().parents if exists(parent) or lacks_target(parent))
    if not folder.is_dir():
        return f"OTP_STORE_URL: {folder} is not a folder: move it away, or name another path"
    return None if os.access(folder, os.W_OK | os.X_OK) else _closed(folder / path.name, "it cannot be written")


def _closed(path: Path, why: str | None) -> str:
    return f"OTP_STORE_URL: the server's user cannot use the folder {path.parent} ({why}): make that user its owner"


def new_secret() -> str:
    """A new key: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def new_lines() -> str:
    """The two lines of settings that hold a fresh set of keys."""
    return f"OTP_SECRET_KEYS=k1:{new_secret()}\nOTP_INDEX_KEY={new_secret()}\n"


def _file(settings: Settings) -> Path | None:
    file = database(settings.otp_store_url)
    return file.with_suffix(".keys") if file and not settings.otp_secret_keys else None


def _make(path: Path) -> None:
    """Write the file whole or not at all; of several starts at the same time, one writes it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # its mode is 0600
        try:  # a full disk must leave no part of a file behind
            with os.fdopen(handle, "w") as file:
                file.write(new_lines())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass  # another start was first: its keys count
        finally:
            Path(draft).unlink()
        _sync(path.parent)
    except OSError as error:
        raise BadKeyFile(f"OTP_SECRET_KEYS: the key file {path} cannot be made ({error.strerror})") from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> tuple[CodeKeys, bytes]:
    keys, index_key, _ = _checked(path)
    return keys, index_key


def _checked(path: Path) -> tuple[CodeKeys, bytes, dict[str, str]]:
    """Return the keys of a file, and its texts by name."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a FIFO would wait forever
            raise BadKeyFile(f"OTP_SECRET_KEYS: the key file {path} is not a regular file: move it away")
        if status.st_mode & 0o077:
            raise BadKeyFile(f"OTP_SECRET_KEYS: others can read the key file: chmod 600 {path}")
        lines = read_lines(path)
        if lines.faults:
            raise FileFault(lines.faults[0])
        given = lines.values
        if other := next((number for name, number in lines.numbers.items() if name not in NAMES), 0):
            raise FileFault(f"line {other} is none of {' and '.join(NAMES)}, and nothing else is read here")
        keys, index_key = parse_keys(given.get("OTP_SECRET_KEYS", "")), parse_secret(given.get("OTP_INDEX_KEY", ""))
    except OSError as error:
        raise BadKeyFile(f"OTP_SECRET_KEYS: the key file {path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise BadKeyFile(f"OTP_SECRET_KEYS: the key file {path} is damaged: {error}") from None
    return keys, index_key, given
