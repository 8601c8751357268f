"""From a URL to a directory."""

import re
import subprocess
import sys

import pytest

from otp_app.apis.users.directories import DIRECTORIES, open_directory
from tests.running import ROOT

SECRET = "hunter2secret"

WRONG = [
    "", "ftp://host/users.csv", f"mysql://otp:{SECRET}@host/db", "file://users.csv", "file://var/users.csv",
    "users.txt", "file:users.txt", "file:///users.txt", "file:///", "file:///users.csv?x=1", "file:///users%00.csv",
    "sqlite://users.db", "sqlite:///", "sqlite:///users.db?synchronous=OFF", "sqlite:///users.db?table=users;drop",
    'sqlite:///users.db?id=user"id', "sqlite:///users.db?phone=", "sqlite:///users.db?table=us%C3%A9rs",
    f"postgresql://otp:{SECRET}/x@host/db", f"postgresql://otp:{SECRET}@x@host/db",
    f"postgresql://otp:{SECRET}@host/db?table=a.b", f"postgresql://otp:{SECRET}@host/db?nonsense={SECRET}",
    f"https://otp:{SECRET}@host/users", f"https://otp:{SECRET}@host/{{user_id}}/{{user_id}}",
    f"https://otp:{SECRET}/x@host/{{user_id}}", f"https://otp:1/{SECRET}@host/{{user_id}}",
    f"https://otp:{SECRET}@host:port/{{user_id}}", f"https://otp:{SECRET}@/{{user_id}}",
    f"https://otp:{SECRET}@host/{{user_id}}#x", f"https://otp:{SECRET}@a..b/{{user_id}}",
    "https://{user_id}.example.com/", f"https://otp:{SECRET}@host/50%/{{user_id}}",
    f"http://otp:{SECRET}@host/{{user_id}}", "http://127.0.0.1.example.com/{user_id}", "no_such_module:Directory",
    "json:NoSuchClass",
]  # fmt: skip


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_url_is_refused(url):
    """With one line that says what to change and has nothing of a password."""
    with pytest.raises(ValueError, match=r"use|write|name|:// is for|are names") as refused:
        open_directory(url)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("url", [
    "file:///nowhere/users.csv", "file:////nowhere/users.TOML",
    "sqlite:////nowhere/users.db?table=people&id=name&phone=mobile",
    "postgresql://otp:p%40ss@192.0.2.1/db?sslmode=require&table=people",
    "https://otp:p%40ss@directory.invalid:8443/users/{user_id}/phone?full=1", "http://localhost:1/{user_id}",
    "http://[::1]:1/?id={user_id}",
])  # fmt: skip
def test_opening_reaches_for_nothing(url):
    """A directory that is away at the start does not keep the server from starting."""
    open_directory(url).close()


def test_own_classes():
    """package.module:Class is called with the whole URL."""
    url = "tests.apis.users.directories.own:Directory?number=%2B14155552671"
    assert open_directory(url).phone(url) == url


def test_the_example_of_the_documents(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "directory.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "printed_directory.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    directory = open_directory("printed_directory:Directory")
    assert [directory.phone(user_id) for user_id in ("ann", "bob", "eve")] == ["+14155552671", "", None]
    directory.close()


@pytest.mark.slow
def test_a_directory_loads_no_other():
    """psycopg and urllib3 are imported by those who need them."""
    code = (
        "import sys; from otp_app.apis.users.directories import open_directory; open_directory('file:///users.csv');"
        "assert not {'psycopg', 'urllib3', 'sqlite3'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, DIRECTORIES["postgresql"].partition(":")[0], raising=False)
    with pytest.raises(ValueError, match=r"pip install .*-r requirements-postgres\.txt$"):
        open_directory("postgresql://otp@host/db")
