"""No request costs more than its size: every pattern and every route takes 8 KB in a time that grows with the size."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from werkzeug.test import create_environ

import otp_app
from tests.apis.verify_v2.site import ACCOUNTS, basic
from tests.rounds import THOROUGH
from tests.web.pumping import cost, texts
from tests.web.site import BASE_URL, Site

pytestmark = pytest.mark.slow

SIZE = 8192
USES: dict[str, Callable[[re.Pattern[Any], Any], object]] = {
    "fullmatch": re.Pattern.fullmatch, "match": re.Pattern.match, "search": re.Pattern.search,
    "finditer": lambda pattern, text: sum(1 for _ in pattern.finditer(text)),
}  # fmt: skip
ITERATING = ("sub", "subn", "findall", "split")
CHEAP = 0.005  # seconds: a quadratic step costs ten times as much at 8 KB, a linear one a tenth
ROUNDS = 8


# ---- patterns: collected, so that a new one need not be named here


def modules() -> dict[str, Any]:
    """Every module of the package but its commands: what a request can come through, and what reads settings."""
    commands = (".__main__", ".gunicorn_conf", ".wsgi")
    names = [found.name for found in pkgutil.walk_packages(otp_app.__path__, "otp_app.")]
    kept = [name for name in names if ".cli" not in name and not name.endswith(commands)]
    return {name: importlib.import_module(name) for name in kept}


def patterns() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """Each pattern with its place and the ways in which the package uses it: all ways, where that cannot be seen."""
    trees = {name: ast.parse(inspect.getsource(module)) for name, module in modules().items()}
    used: dict[str, set[str]] = {}
    for tree in trees.values():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                used.setdefault(ast.unparse(call.func.value).rpartition(".")[2], set()).add(call.func.attr)
    places: dict[re.Pattern[Any], list[str]] = {}
    for name, module in modules().items():
        for attribute, value in vars(module).items():
            for pattern in held(value):
                places.setdefault(pattern, []).append(f"{name}.{attribute}")
        yield from inline(name, trees[name], vars(module))
    for pattern, found in places.items():
        yield found[0], pattern, ways(set().union(*(used.get(place.rpartition(".")[2], ()) for place in found)))


def held(value: Any, depth: int = 3) -> Iterator[re.Pattern[Any]]:
    """The patterns that a module's attribute is, or has in a container or as a class."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, dict | list | tuple | set | frozenset):
        for each in value.values() if isinstance(value, dict) else value:
            yield from held(each, depth - 1)
    elif depth and isinstance(value, type) and value.__module__.startswith("otp_app"):
        for each in vars(value).values():
            yield from held(each, 1)


def inline(name: str, tree: ast.Module, names: dict[str, Any]) -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """The patterns that are written where they are used: re.match("…", …), and pattern="…" of a field."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        function = ast.unparse(call.func)
        said = [keyword.value for keyword in call.keywords if keyword.arg == "pattern"]
        if function.startswith("re.") and function != "re.compile" and call.args:
            said, method = [call.args[0]], function.removeprefix("re.")
        else:
            method = "search"
        for each in said:
            try:
                text = eval(compile(ast.Expression(each), name, "eval"), names)
            except NameError:
                continue  # made of an argument: the values are patterns of the callers
            if isinstance(text, str):
                yield f"{name}:{call.lineno}", re.compile(text.replace(r"\z", r"\Z")), ways({method})


def ways(methods: set[str]) -> set[str]:
    found = {"finditer" if method in ITERATING else method for method in methods} & USES.keys()
    return found or set(USES)


def grows(use: str, pattern: re.Pattern[Any], rounds: int = ROUNDS) -> list[str]:
    """The texts for which the cost grows faster than their size; it ends with the first, since each takes long."""
    act = partial(partial, USES[use], pattern)
    for short, text in zip(texts(pattern, SIZE // 4), texts(pattern, SIZE), strict=True):
        if (brief := cost(act(short))) < CHEAP / 20 or (long := cost(act(text))) < CHEAP:
            continue  # four times the text costs a quadratic step sixteen times as much
        for _ in range(rounds):  # the least of both: other work on the machine can only add to them
            if long < max(CHEAP, 10 * brief):
                break
            long, brief = min(long, cost(act(text))), min(brief, cost(act(short)))
        else:
            return [repr(text[:40])]
    return []


FOUND = list(patterns())


@pytest.mark.parametrize(
    ("pattern", "uses"), [(pattern, uses) for _, pattern, uses in FOUND], ids=[place for place, _, _ in FOUND]
)
def test_a_pattern_takes_time_that_grows_with_the_text(pattern, uses):
    """Four times the text of its own alphabet costs about four times as much, not sixteen times."""
    assert [found for use in sorted(uses) for found in grows(use, pattern)] == []


@pytest.mark.parametrize(("use", "pattern"), [
    ("finditer", re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]', re.DOTALL)),
    ("finditer", re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]', re.DOTALL)),
    ("fullmatch", re.compile(r"application/json[ \t]*(;[ \t]*charset=utf-8)?[ \t]*")),
    ("search", re.compile(r"[ \t]*;")), ("match", re.compile(r"\w+\.?\w+!")),
])  # fmt: skip
def test_a_pattern_that_takes_more_is_seen(use, pattern):
    """Two repeats that share a text, and a search that begins anew in what it has read."""
    assert grows(use, pattern, rounds=1)


def test_patterns_are_found():
    """Those of modules, those in containers, and those that are written where they are used."""
    places = {place for place, _, _ in FOUND}
    assert {"otp_app.web.body._STRING", "otp_app.web.body._JSON_TYPE", "otp_app.core.phone._ONE_NUMBER"} <= places
    assert [place for place in places if place.startswith("otp_app.settings.types:")]
    assert next(uses for place, _, uses in FOUND if place == "otp_app.web.body._STRING") == {"finditer"}


# ---- requests: what the libraries do with them counts too

UNITS = [
    " ", "\t", "9", "=", "&", "%", "%41", ";", ",", "/", ".", '"', '\\"', "[", "{", "*", "a", "a=", ";a=\"", "a;q=0.1,",
    "; a*0*=b", 'W/"a",', "0-0,", "1.1.1.1,", "[::1]:", "\xe9", "+1", "--b\r\n", "\r\n", "VE", "a&", '{"a":', "{},",
]  # fmt: skip
HEADERS = [
    "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_AUTHORIZATION", "HTTP_COOKIE",
    "HTTP_CACHE_CONTROL", "HTTP_CONTENT_ENCODING", "HTTP_HOST", "HTTP_IDEMPOTENCY_KEY", "HTTP_IF_MATCH",
    "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_RANGE", "HTTP_ORIGIN", "HTTP_RANGE", "HTTP_REFERER",
    "HTTP_X_API_KEY", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO",
]  # fmt: skip
BEGINS = {
    "CONTENT_TYPE": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary="],
    "HTTP_AUTHORIZATION": ["Basic ", "Bearer ", "Digest "], "HTTP_HOST": ["localhost", "["], "HTTP_RANGE": ["bytes="],
}  # fmt: skip
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
PART = '--b\r\nContent-Disposition: form-data; name="'
BODIES = {
    JSON: ["", '{"phone_number": "', '{"phone_number": ', "[" * 33 + '"'],
    FORM: ["", "phone_number=", "To="],
    MULTIPART: ["", PART, PART + 'phone_number"\r\n\r\n', "--b\r\nContent-Disposition: form-data", "--b\r\n"],
}
DIGEST = hashlib.sha256(b"key").hexdigest()
MOST = 0.005  # seconds of processor time: a usual request takes a tenth, and one with a quadratic step fifty times it


@pytest.fixture(scope="module")
def site(all_there_is: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of everything behind a proxy, without limits of clients."""
    given = all_there_is | {"otp_trusted_proxies": "127.0.0.1,1.1.1.1", "otp_verify_accounts": ACCOUNTS}
    keys = f"shop:send+verify+metrics+notify:{DIGEST}"
    given["otp_history_url"] = f"sqlite:///{tmp_path_factory.mktemp('history')}/history.db"
    site = Site(**given, otp_client_limits="", otp_check_limits="", otp_api_keys=keys)
    yield site
    site.close()


#: a route of each API, and one that is none
PATHS = [
    "/send-otp", "/api/phone/register", "/send-code", f"/v2/Services/VA{'0' * 32}/VerificationCheck",
    "/auth.AuthService/GetProfile", "/none",
]  # fmt: skip


def routes(site: Site) -> list[tuple[str, str]]:
    ids = {"service_sid": "VA" + "0" * 32}
    return [
        (method, re.sub(r"<(?:\w+:)?(\w+)>", lambda name: ids.get(name[1], "VE" + "0" * 32), rule.rule))
        for rule in site.app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
    ]


def asked(site: Site, method: str, path: str, body: bytes = b"", **environ: str) -> str:
    """The status of the answer to a request that shows every credential; without the test client and its own costs."""
    given = create_environ(path, BASE_URL, method=method, data=body, content_type=JSON)
    shown = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_API_KEY": "key", "HTTP_AUTHORIZATION": basic()["Authorization"]}
    answers: list[str] = []
    answer = site.app.wsgi_app(given | shown | environ, lambda status, *_: answers.append(status))
    b"".join(answer)
    return answers[0]


def expensive(site: Site, method: str, path: str, body: bytes = b"", **environ: str) -> bool:
    """Whether a request takes too much of the processor, the best of many times."""
    ask = partial(asked, site, method, path, body, **environ)
    return cost(ask) > MOST and cost(ask, 10) > MOST


def test_requests_come_as_far_as_their_views(site):
    """Otherwise the tests below would time the guard alone. (RPCs of a session go the way of those without one.)"""
    asked_for = [(method, path) for method, path in routes(site) if path.rpartition("/")[2] not in OF_A_SESSION]
    refused = [(method, path, asked(site, method, path, b"{}")) for method, path in asked_for]
    assert [each for each in refused if each[2].startswith(("401", "403"))] == []


OF_A_SESSION = {
    "GetProfile", "UpdateProfile", "ChangePhoneNumber", "DeleteAccount", "Logout", "ListSessions", "RevokeSession",
    "ListActivity",
}  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_costs_more_than_its_size(site, header):
    """8 KB of it, on one route of each API and on one that is none."""
    found = [
        (path, begin, unit)
        for path in PATHS
        for begin in ["", *BEGINS.get(header, [])]
        for unit in UNITS
        if expensive(site, "POST", path, b"{}", **{header: (begin + unit * SIZE)[: SIZE - 2] + "x"})
    ]
    assert found == []


@pytest.mark.parametrize("media", BODIES)
def test_no_body_costs_more_than_its_size(site, media):
    """On one route of each API, whose routes read bodies in one way; with CI=true on all but /metrics, which reads none
    and costs what was counted before.
    """
    found = [
        (method, path, begin, unit)
        for method, path in (routes(site) if THOROUGH else [("POST", path) for path in PATHS])
        if path != "/metrics"
        for begin in BODIES[media]
        for unit in UNITS
        if expensive(site, method, path, (begin + unit * SIZE).encode()[:SIZE], CONTENT_TYPE=media)
    ]
    assert found == []


def test_no_path_or_query_costs_more_than_its_size(site):
    """On all paths but /metrics, as above."""
    found = [
        (path, unit)
        for path in {path for _, path in routes(site)} - {"/metrics"}
        for unit in UNITS
        for where, text in (("PATH_INFO", path + unit * 2048), ("QUERY_STRING", unit * 2048))
        if expensive(site, "GET", path, **{where: text[:2048]})
    ]
    assert found == []
