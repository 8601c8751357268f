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
from tests.recipes.login import CODE, KEY, NUMBER, STORY, STRANGER, THEIR_CODE, ran, shop_server, written
from tests.recipes.mariadb import MariaDB, mariadb_programs
from tests.recipes.recipe import Recipe
from tests.running import free_port, wait_until

PHP = Path(__file__).with_name("php")
DEBIANS = Path("/usr/share/php")
WORDPRESS = Path("/usr/share/wordpress")
pytestmark = pytest.mark.slow

#: A page in a browser, whose script sends Laravel's token back. It gets the site's address, and that of both requests.
BROWSER = """
import sys
from urllib.parse import unquote
import requests
client = requests.Session()
def call(method, path, body=None):
    token = {"X-XSRF-TOKEN": unquote(client.cookies.get("XSRF-TOKEN", ""))}
    site = sys.argv[2 if path.startswith("/login/") else 1]
    answer = client.request(method, site + path, json=body, headers=token, timeout=60)
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
    modules = subprocess.run([require("php"), "-m"], capture_output=True, text=True, check=True).stdout.split()
    if "pdo_sqlite" not in modules:
        absent("php-sqlite3")
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
    assert ran(server, tmp_path, sys.executable, "drive.py", url, url) == "ok\n"
    assert not (folder / "storage/logs/laravel.log").exists()


def test_a_request_to_laravel_without_its_token(laravel):
    """Laravel itself refuses it, as the page says."""
    _, url = laravel
    assert requests.post(f"{url}/login/start", json={"phone": NUMBER}, timeout=60).status_code == 419


@pytest.mark.parametrize("phone", [None, 5, ["+14155552671"], ""])
def test_a_phone_number_that_is_no_text_in_laravel(laravel, phone):
    """A sentence, not a redirection."""
    _, url = laravel
    with requests.Session() as browser:
        browser.get(f"{url}/me", timeout=60)
        token = {"X-XSRF-TOKEN": requests.utils.unquote(browser.cookies["XSRF-TOKEN"])}
        answer = browser.post(f"{url}/login/start", json={"phone": phone}, headers=token, timeout=60)
    assert (answer.status_code, answer.json()) == (400, {"error": "Enter a phone number."})


# ---- WordPress


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory):
    if not (programs := mariadb_programs()):
        absent("mariadb-server-core")
    server = MariaDB(tmp_path_factory.mktemp("db"), programs, "wordpress")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture(scope="module")
def wordpress(server, mariadb, tmp_path_factory):
    """The address of a new site with the page's plug-in, and a user whose number is known."""
    if not WORDPRESS.exists():
        absent("wordpress")
    folder = tmp_path_factory.mktemp("wordpress") / "site"
    shutil.copytree(PHP / "wordpress", folder)
    shutil.move(folder / "mu-plugins", folder / "wp-content/mu-plugins")
    config = folder / "wp-config.php"
    config.write_text(configured(mariadb.socket, folder), encoding="utf-8")
    Recipe("recipes/wordpress.md").follow(folder, pytest.fail)
    ours = config.read_text(encoding="utf-8").replace("https://otp.example.com", server.url).replace("otp_…", KEY)
    config.write_text(ours, encoding="utf-8")
    with served_by_php(folder, folder / "index.php") as url:
        installed = [require("php"), "install.php", url]
        done = subprocess.run(installed, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout == "installed\n", done.stdout[-2000:] + done.stderr[-2000:]
        yield url


def configured(socket: Path, folder: Path) -> str:
    """WordPress's sample of wp-config.php, filled in; Debian's files stay where they are."""
    text = (WORDPRESS / "wp-config-sample.php").read_text(encoding="utf-8")
    filled = {"database_name_here": "wordpress", "username_here": "root", "password_here": "",
              "localhost": f"localhost:{socket}"}  # fmt: skip
    for name, value in filled.items():
        text = text.replace(name, value)
    own = {"ABSPATH": f"{WORDPRESS}/", "WP_CONTENT_DIR": f"{folder}/wp-content", "WP_HTTP_BLOCK_EXTERNAL": "1",
           "WP_ACCESSIBLE_HOSTS": "127.0.0.1", "DISABLE_WP_CRON": "1"}  # fmt: skip
    lines = "".join(f"define('{name}', '{value}');\n" for name, value in own.items())
    return text.replace("/* That's all", f"{lines}/* That's all")


def test_the_page_of_wordpress(server, wordpress, tmp_path):
    """With the cookies of WordPress's own log-in."""
    (tmp_path / "drive.py").write_text(BROWSER + STORY, encoding="utf-8")
    command = (sys.executable, "drive.py", wordpress, f"{wordpress}/wp-json/phone")
    assert ran(server, tmp_path, *command) == "ok\n"


def test_a_log_in_to_wordpress(wordpress):
    """Gives the cookies of WordPress's own, which scripts cannot read, and uses the ticket up."""
    with requests.Session() as browser:
        start = browser.post(f"{wordpress}/wp-json/phone/login/start", json={"phone": NUMBER}, timeout=60)
        assert "httponly; samesite=strict" in start.headers["Set-Cookie"].lower()
        assert not any(cookie.name.startswith("wordpress_") for cookie in browser.cookies)
        assert browser.post(f"{wordpress}/wp-json/phone/login/check", json={"code": CODE}, timeout=60).ok
        (logged_in,) = (one for one in browser.cookies if one.name.startswith("wordpress_logged_in_"))
        assert logged_in.has_nonstandard_attr("HttpOnly")
        assert logged_in.value.startswith("ann%7C")


def test_a_code_in_the_browser_of_somebody_else(wordpress):
    """Logs nobody in, whether that browser has a ticket of its own or none; the first one's still works."""
    start, check = (f"{wordpress}/wp-json/phone/login/{what}" for what in ("start", "check"))
    with requests.Session() as first, requests.Session() as second:
        first.post(start, json={"phone": NUMBER}, timeout=60)
        assert second.post(check, json={"code": CODE}, timeout=60).status_code == 400
        assert second.post(start, json={"phone": STRANGER}, timeout=60).ok
        assert second.post(check, json={"code": CODE}, timeout=60).status_code == 400
        assert second.get(f"{wordpress}/me", timeout=60).status_code == 401
        assert first.post(check, json={"code": CODE}, timeout=60).ok


@pytest.mark.parametrize("body", [{"code": THEIR_CODE}, {"code": [THEIR_CODE]}, {}])
def test_a_number_that_no_user_of_wordpress_has(wordpress, body):
    """Logs nobody in, with the right code or without."""
    with requests.Session() as browser:
        assert browser.post(f"{wordpress}/wp-json/phone/login/start", json={"phone": STRANGER}, timeout=60).ok
        answer = browser.post(f"{wordpress}/wp-json/phone/login/check", json=body, timeout=60)
        assert (answer.status_code, answer.json()["error"]) == (400, "The code is wrong or has expired.")
        assert browser.get(f"{wordpress}/me", timeout=60).status_code == 401


@pytest.mark.parametrize("phone", [None, 5, [NUMBER], ""])
def test_a_phone_number_that_is_no_text_in_wordpress(wordpress, phone):
    """The server's sentence."""
    answer = requests.post(f"{wordpress}/wp-json/phone/login/start", json={"phone": phone}, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Phone number is required"
