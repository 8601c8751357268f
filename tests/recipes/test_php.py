"""docs/recipes for PHP: its client, and the pages of Laravel and WordPress in these frameworks as Debian has them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import absent, require
from tests.recipes.login import KEY, STORY, ran, shop_server, written
from tests.recipes.recipe import Recipe
from tests.running import free_port, wait_until

PHP = Path(__file__).with_name("php")
DEBIANS = Path("/usr/share/php")
pytestmark = pytest.mark.slow

#: A page in a browser, whose script sends Laravel's token back.
BROWSER = """
import sys
from urllib.parse import unquote
import requests
client = requests.Session()
def call(method, path, body=None):
    token = {"X-XSRF-TOKEN": unquote(client.cookies.get("XSRF-TOKEN", ""))}
    answer = client.request(method, sys.argv[1] + path, json=body, headers=token, timeout=60)
    return answer.status_code, answer.json()
"""
USERS = """CREATE TABLE users (id INTEGER PRIMARY KEY, phone TEXT UNIQUE, name TEXT, email TEXT UNIQUE, password TEXT,
    remember_token TEXT, created_at TEXT, updated_at TEXT)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with shop_server(tmp_path_factory.mktemp("server")) as server:
        yield server


def test_the_client_for_php(server, tmp_path):
    """Which the page of Laravel uses."""
    written(tmp_path)
    shutil.copy(PHP / "client.php", tmp_path)
    assert ran(server, tmp_path, require("php"), "client.php") == "ok\n"


@contextlib.contextmanager
def served_by_php(root: Path, index: Path) -> Iterator[str]:
    """The address of PHP's own web server, with nothing of the tests in its environment."""
    port = free_port()
    command = [require("php"), "-S", f"127.0.0.1:{port}", "-t", str(root), str(index)]
    with (root.parent / "php.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=root, env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: "started" in (root.parent / "php.log").read_text(errors="replace"), "PHP's web server")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def laravel(server, tmp_path_factory):
    """The folder and address of a new application with the page's log-in. Only its .env says which server it asks."""
    if not (DEBIANS / "Illuminate/Foundation").exists():
        absent("php-laravel-framework")
    folder = tmp_path_factory.mktemp("laravel") / "shop"
    shutil.copytree(PHP / "laravel", folder)
    for name in ("bootstrap/cache", "database", *(f"storage/{name}" for name in FOLDERS_OF_LARAVEL)):
        (folder / name).mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "database/database.sqlite")) as database:
        database.execute(USERS)
    env = f"APP_KEY=base64:{'A' * 43}=\nOTP_URL={server.url}\nOTP_API_KEY={KEY}\n"
    (folder / ".env").write_text(env, encoding="ascii")
    written(folder)
    shutil.move(folder / "Otp.php", folder / "app/Otp.php")
    Recipe("recipes/laravel.md").follow(folder, pytest.fail)
    with served_by_php(folder / "public", folder / "public/index.php") as url:
        yield folder, url


FOLDERS_OF_LARAVEL = ("framework/sessions", "framework/views", "logs")


def test_the_page_of_laravel(server, laravel, tmp_path):
    """With sessions, encrypted cookies and the check of CSRF tokens, and no error in the log."""
    folder, url = laravel
    (tmp_path / "drive.py").write_text(BROWSER + STORY, encoding="utf-8")
    assert ran(server, tmp_path, sys.executable, "drive.py", url) == "ok\n"
    assert not (folder / "storage/logs/laravel.log").exists()


def test_a_request_to_laravel_without_its_token(laravel):
    """Laravel itself refuses it, as the page says."""
    _, url = laravel
    assert requests.post(f"{url}/login/start", json={"phone": "+14155552671"}, timeout=60).status_code == 419


@pytest.mark.parametrize("phone", [None, 5, ["+14155552671"], ""])
def test_a_phone_number_that_is_no_text_in_laravel(laravel, phone):
    """A sentence, not a redirection."""
    _, url = laravel
    with requests.Session() as browser:
        browser.get(f"{url}/me", timeout=60)
        token = {"X-XSRF-TOKEN": requests.utils.unquote(browser.cookies["XSRF-TOKEN"])}
        answer = browser.post(f"{url}/login/start", json={"phone": phone}, headers=token, timeout=60)
    assert (answer.status_code, answer.json()) == (400, {"error": "Enter a phone number."})
