"""GET /docs/plain: the document for people, which works offline and as printed."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest

from otp_app.apis import APIS
from otp_app.proof import new_key
from otp_app.web import openapi
from tests.conftest import require
from tests.provider import Provider
from tests.running import WRITTEN_TO, RunningServer
from tests.web.documented import ENDPOINTS, WHOLE, resolve
from tests.web.site import api_key

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What stands in a page: its elements with their attributes, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []  # the path of elements, and what stands in them
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((" ".join(self._open), data))

    def all(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]

    def attribute(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def inside(self, *tags):
        return [text for path, text in self.texts if path.endswith(" ".join(tags))]

    def curls(self):
        return [text for text in self.inside("pre", "code") if text.startswith("curl ")]


@pytest.fixture
def site(everything):
    return everything


def page(site, **how):
    return Page(site.call("GET", "/docs/plain", **how).get_data(as_text=True))


# ---- what stands in it


def test_it_has_every_operation(site):
    """By API, with what it is for and how it is asked."""
    shown = page(site)
    headings = shown.inside("h3", "code")
    assert headings == [f"{endpoint.method.upper()} {endpoint.path}" for endpoint in ENDPOINTS]
    assert [tag["name"] for tag in WHOLE["tags"]] == shown.inside("section", "h2")
    assert len(shown.curls()) == len(ENDPOINTS)


def test_it_has_every_field_and_status(site):
    shown = page(site)
    text = " ".join(text for _, text in shown.texts)
    for endpoint in ENDPOINTS:
        assert set(endpoint.node["responses"]) <= set(shown.inside("summary", "strong"))
        for name in resolve(WHOLE, endpoint.media[1]["schema"])["properties"] if endpoint.media else ():
            assert name in shown.inside("tr", "th", "code")
    assert "resend_too_soon" in text
    assert "at most 64 characters" in text


def test_it_is_prepared_once(site, monkeypatch):
    """However many ask a new worker for it at the same time."""
    page_of, calls, together = openapi._page, [], threading.Barrier(4)

    def slowly(document):
        calls.append(document)
        time.sleep(0.2)
        return page_of(document)

    def ask(_):
        together.wait()
        return site.call("GET", "/docs/plain").status_code

    monkeypatch.setattr(openapi, "_page", slowly)
    with ThreadPoolExecutor(4) as readers:
        assert list(readers.map(ask, range(4))) == [200] * 4
    assert len(calls) == 1


def test_it_explains_credentials(site):
    assert page(site).inside("dl", "dt", "code") == list(WHOLE["components"]["securitySchemes"])


def test_a_server_with_fewer_apis_has_a_shorter_page(open_site):
    shown = page(open_site(otp_apis=("native",)))
    assert "POST /send-otp" in shown.inside("h3", "code")
    assert "POST /send-code" not in shown.inside("h3", "code")


@pytest.mark.parametrize("words", ["Send a code", "send a code to a number", "the recipient", "the usual", "OTP sent"])
def test_what_stands_in_the_document_is_no_markup(site, monkeypatch, tmp_path, words):
    shutil.copytree(openapi.APIS, tmp_path / "apis")
    fragment = tmp_path / "apis/native/openapi.json"
    text = fragment.read_text(encoding="utf-8")
    assert words in text
    fragment.write_text(text.replace(words, "<img src=x>"), encoding="utf-8")
    monkeypatch.setattr(openapi, "APIS", tmp_path / "apis")
    shown = page(site)
    assert shown.all("img") == []
    assert "<img src=x>" in " ".join(text for _, text in shown.texts)


# ---- it is sealed


def test_it_needs_nothing_from_elsewhere(site):
    """No script, no picture, no font; every link stays on this server."""
    shown = page(site)
    assert shown.all("script", "link", "img", "iframe", "object", "embed", "form", "base") == []
    assert shown.attribute("src") == shown.attribute("style") == []
    assert not [name for _, attributes in shown.elements for name in attributes if name.startswith("on")]
    targets = set(shown.attribute("href")) - {"/openapi.json", "/docs", "/", *site.call("GET", "/").json["pages"]}
    assert targets <= {f"#{name}" for name in shown.attribute("id")}
    assert "url(" not in shown.inside("style")[0]
    assert "@import" not in shown.inside("style")[0]


def test_its_policy_lets_in_its_own_style_only(site):
    """One policy, with the digest of the one style that there is."""
    answer = site.call("GET", "/docs/plain")
    (style,) = re.findall("<style>(.*?)</style>", answer.get_data(as_text=True), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert answer.headers.getlist("Content-Security-Policy") == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ]


def test_its_other_headers_are_those_of_every_answer(site):
    docs, other = (site.call("GET", path).headers for path in ("/docs/plain", "/healthz"))
    own = {"Content-Type", "Content-Length", "Content-Security-Policy", "X-Request-ID"}
    assert {name: docs[name] for name in dict(docs) if name not in own} == {
        name: other[name] for name in dict(other) if name not in own
    }


# ---- everybody can read it


def test_it_is_marked_up_for_all_readers(site):
    """A language, one title, a way past the list, names for all parts, headers of tables, light and dark."""
    shown = page(site)
    assert shown.all("html") == [{"lang": "en"}]
    assert len(shown.all("h1")) == len(shown.all("main")) == 1
    assert shown.all("a")[0] == {"class": "skip", "href": "#operations"}
    assert len(set(shown.attribute("id"))) == len(shown.attribute("id"))
    assert set(shown.attribute("aria-labelledby")) <= set(shown.attribute("id"))
    assert all(cell.get("scope") in ("col", "row") for cell in shown.all("th"))
    assert len(shown.all("caption")) == len(shown.all("table")) > len(ENDPOINTS) / 2
    assert "prefers-color-scheme: dark" in shown.inside("style")[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(site, scheme):
    """Text and links have a contrast of 7 to 1 with what they stand on (WCAG 2.2, level AAA)."""
    colours = re.findall(r"--(\w+): (#[0-9a-f]{3,6})", page(site).inside("style")[0])
    half = len(colours) // 2
    found = dict(colours[:half] if scheme == "light" else colours[half:])
    for on in "back", "soft":
        for word in "text", "link":
            assert contrast(found[word], found[on]) >= 7


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# ---- its lines work


@pytest.mark.parametrize(("how", "base"), [
    ({"HTTP_HOST": "localhost:8080"}, "'http://localhost:8080/"),
    ({"HTTP_HOST": "localhost", "HTTP_X_FORWARDED_PROTO": "https"}, "'https://localhost/"),
    ({"HTTP_HOST": "[::1]:5000"}, "'http://[::1]:5000/"),
    ({"HTTP_HOST": "localhost", "HTTP_X_FORWARDED_PROTO": "javascript:"}, "'http://localhost/"),
])  # fmt: skip
def test_its_lines_ask_the_server_that_showed_them(site, how, base):
    """By the name under which the reader found it."""
    assert [line for line in page(site, **how).curls() if f" {base}" not in line] == []


def test_its_lines_show_a_key_where_one_is_needed(open_site):
    """Taken from a variable: a key has no place in a page."""
    lines = page(open_site(otp_api_keys=api_key("shop", "send", "s"))).curls()
    assert 'curl -X POST -H "Authorization: Bearer $OTP_API_KEY"' in lines[0]
    assert next(line for line in lines if "/healthz" in line) == "curl 'http://127.0.0.1:5000/healthz'"


def test_its_lines_show_any_credentials_where_any_will_do(open_site):
    """Those of a Twilio account in the reader's environment have no place here."""
    without = page(open_site(otp_apis="verify_v2")).curls()
    assert f"-u AC{'0' * 32}:any " in without[0]
    known = page(open_site(otp_apis="verify_v2", otp_verify_accounts=f"{ACCOUNT}:{'0' * 64}")).curls()
    assert '-u "$OTP_ACCOUNT_SID:$OTP_ACCOUNT_TOKEN" ' in known[0]


#: what the examples come to that name what is not there, or attempt a code; all others are 200
COMES_TO = {
    "verifyOtp": 400, "showVerification": 404, "cancelVerification": 404, "verifyCode": 400, "verifyPhone": 400,
    "startVerification": 201, "fetchVerification": 404, "updateVerification": 404, "createService": 201,
    "verifyPhoneNumber": 400, "notify": 202, "notifyAll": 202, "showNotification": 404,
    **dict.fromkeys(("getProfile", "updateProfile", "changePhoneNumber", "deleteAccount"), 401),  # without a session
    **dict.fromkeys(("logout", "listSessions", "revokeSession", "listActivity"), 401),
    **dict.fromkeys(("listAttempts", "summarizeAttempts", "showAttempt"), 403),  # without a history
    "redoc": 302, "changeService": 403, "deleteService": 403,  # of the service that the start used, which nobody made
}  # fmt: skip
ACCOUNT, TOKEN = "AC" + "0" * 32, "token"
LOCKED = {
    "OTP_API_KEYS": api_key("shop", "send+verify+metrics+notify", "key"),
    "OTP_VERIFY_ACCOUNTS": f"{ACCOUNT}:{hashlib.sha256(TOKEN.encode()).hexdigest()}",
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, LOCKED], ids=["open", "locked"])
def test_its_lines_work_as_printed(tmp_path, settings):
    """Pasted one after the other into a shell that has the credentials in its environment."""
    curl = require("curl")
    (tmp_path / "users.csv").write_text("user_id,phone_number\nabc,+14155552671\n", encoding="ascii")
    (tmp_path / ".curlrc").write_text('silent\nwrite-out = "\\n%{http_code}"\n', encoding="ascii")
    shell = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OTP_API_KEY": "key",
             "OTP_ACCOUNT_SID": ACCOUNT, "OTP_ACCOUNT_TOKEN": TOKEN}  # fmt: skip
    (tmp_path / "templates.toml").write_text('[order_shipped]\nsms = "It is on its way: {number}."\n', encoding="ascii")
    everything = {"OTP_APIS": ",".join(APIS), "OTP_DIRECTORY_URL": f"file:///{tmp_path}/users.csv",
                  "OTP_TEMPLATES_FILE": f"{tmp_path}/templates.toml",
                  "OTP_PROOF_KEYS": new_key("HS256"), "OTP_RESEND_GAPS": "", "OTP_SENDS_PER_HOUR": "0"}  # fmt: skip
    settings = {**everything, **WRITTEN_TO, **settings}
    with Provider() as provider, RunningServer(tmp_path, provider.url, store="memory://", **settings) as server:
        asked = subprocess.run([curl, f"{server.url}/docs/plain"], env={}, capture_output=True, text=True, check=True)
        lines = [line for line in Page(asked.stdout).curls() if "/callbacks/" not in line]  # only Twilio can sign those
        for endpoint, line in zip(ENDPOINTS, lines, strict=True):
            ran = subprocess.run(["sh", "-c", line], env=shell, capture_output=True, text=True, check=True, timeout=60)
            expected = COMES_TO.get(endpoint.node["operationId"], 200)
            assert ran.stdout.rpartition("\n")[2] == str(expected), f"{line}\n{ran.stdout}"
