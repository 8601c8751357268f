"""docs/recipes: the code of each page logs a user in by code, against a server with a key that checks by id only."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import absent, require
from tests.recipes.login import STORY, ran, shop_server, written
from tests.recipes.recipe import BLOCK
from tests.running import ROOT

PAGES = sorted(path.stem for path in (ROOT / "docs/recipes").glob("*.md") if path.stem != "README")
UNTESTED = {"android", "ios", "flutter"}
NODE = Path(__file__).with_name("node")
OUT_OF_REACH = re.compile("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED")
pytestmark = pytest.mark.slow

FLASK = """
from app import app
client = app.test_client()
def call(method, path, body=None):
    answer = client.open(path, method=method, json=body)
    return answer.status_code, answer.get_json(silent=True)
"""
FASTAPI = """
import warnings
warnings.simplefilter("ignore")
from fastapi.testclient import TestClient
from app import app
client = TestClient(app)
def call(method, path, body=None):
    answer = client.request(method, path, json=body)
    return answer.status_code, answer.json()
"""
DJANGO = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, ALLOWED_HOSTS=["testserver"], ROOT_URLCONF="phone_login", USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware"],
)
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client()
def call(method, path, body=None):
    answer = client.generic(method, path, __import__("json").dumps(body), content_type="application/json")
    return answer.status_code, answer.json()
"""
#: The same story, of modules for Node: `call` is defined before.
NODE_STORY = """
import assert from "node:assert/strict";
assert.equal((await call("GET", "/me"))[0], 401);
assert.equal((await call("POST", "/login/check", { code: "735912" }))[0], 400);
let [status, answer] = await call("POST", "/login/start", { phone: "123" });
assert.ok(status === 400 && answer.error.includes("E.164"));
[status, answer] = await call("POST", "/login/start", { phone: "+1 (415) 555-2671" });
assert.ok(status === 200 && Number.isInteger(answer.resend_in));
assert.equal((await call("POST", "/login/check", { code: "000000" }))[0], 400);
assert.equal((await call("GET", "/me"))[0], 401);
assert.deepEqual(await call("POST", "/login/check", { code: "735912" }), [200, { phone: "+14155552671" }]);
assert.deepEqual(await call("GET", "/me"), [200, { phone: "+14155552671" }]);
assert.equal((await call("POST", "/login/check", { code: "735912" }))[0], 400);
console.log("ok");
process.exit(0);
"""
EXPRESS = """
import { spawn } from "node:child_process";
import { once } from "node:events";
const how = { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, PORT: "0" } };
const app = spawn(process.execPath, ["app.mjs"], how);
process.on("exit", () => app.kill());
const port = String((await once(app.stdout, "data"))[0]).trim();
let cookie = "";
const call = async (method, path, body) => {
  const headers = { "Content-Type": "application/json", cookie };
  const how = { method, headers, body: body && JSON.stringify(body) };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, how);
  cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? cookie;
  const text = await answer.text();
  return [answer.status, text.startsWith("{") ? JSON.parse(text) : null];
};
"""
NEXT = """
import { POST as start } from "./app/login/start/route.js";
import { POST as check } from "./app/login/check/route.js";
import { GET as me } from "./app/me/route.js";
const routes = { "/login/start": start, "/login/check": check, "/me": me };
let cookie = "";
const call = async (method, path, body) => {
  const how = { method, headers: { cookie }, body: body && JSON.stringify(body) };
  const request = new Request(`http://localhost${path}`, how);
  const answer = await routes[path](request);
  cookie = answer.headers.get("set-cookie")?.split(";")[0] ?? cookie;
  const text = await answer.text();
  return [answer.status, text ? JSON.parse(text) : null];
};
"""

@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with shop_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.mark.parametrize(("page", "driver"), [("flask", FLASK), ("fastapi", FASTAPI), ("django", DJANGO)])
def test_a_page_in_python(server, tmp_path, page, driver):
    written(tmp_path, page)
    (tmp_path / "drive.py").write_text(driver + STORY, encoding="utf-8")
    assert ran(server, tmp_path, sys.executable, "drive.py") == "ok\n"


def test_the_page_of_next(server, tmp_path):
    """Its handlers take a Request and return a Response, as Next.js has them."""
    written(tmp_path, "nextjs")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (tmp_path / "drive.mjs").write_text(NEXT + NODE_STORY, encoding="utf-8")
    assert ran(server, tmp_path, require("node"), "drive.mjs") == "ok\n"


def test_the_page_of_express(server, tmp_path):
    """With the packages of node/package-lock.json."""
    written(tmp_path, "express")
    for name in "package.json", "package-lock.json":
        shutil.copy(NODE / name, tmp_path)
    command = [require("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode and (reason := OUT_OF_REACH.search(done.stderr)):
        absent(f"npm's packages ({reason[0]})")
    assert done.returncode == 0, done.stderr
    (tmp_path / "drive.mjs").write_text(EXPRESS + NODE_STORY, encoding="utf-8")
    assert ran(server, tmp_path, require("node"), "drive.mjs") == "ok\n"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_is_not_tested(page):
    """In bold, wherever a block of it is run by no test."""
    text = (ROOT / f"docs/recipes/{page}.md").read_text(encoding="utf-8")
    shown = re.findall(r"(?:^Create `[^`]+`|[Ii]n `[^`]+`, add above `[^`]+`):\n\n```", text, re.MULTILINE)
    assert ("**not tested**" in text) == (len(shown) < len(BLOCK.findall(text)))
    assert (page in UNTESTED) == ("This page is **not tested**." in text)


def test_every_page_is_in_the_list():
    """With whether it is tested."""
    rows = (ROOT / "docs/recipes/README.md").read_text(encoding="utf-8")
    assert {page for page in PAGES if f"]({page}.md)" not in rows} == set()
