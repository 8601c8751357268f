"""script/site builds the docs as a site: every page is in it and can be found, and no link of it leads nowhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import absent
from tests.recipes.recipe import BLOCK
from tests.running import ROOT

pytestmark = pytest.mark.slow


class Html(HTMLParser):
    """What a page of the site loads, where its links lead, and what they can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {value for name in ("id", "name") if (value := given.get(name))}
        for name in "src", "href":
            if value := given.get(name):
                (self.links if tag == "a" else self.loads).append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy of what git has, in a place of its own."""
    copy = tmp_path_factory.mktemp("site") / "copy"
    for name in "docs", "script":
        shutil.copytree(ROOT / name, copy / name)
    for path in (*ROOT.glob("*.md"), ROOT / "requirements.txt", ROOT / "requirements-site.txt"):
        shutil.copy(path, copy)
    if (tools := ROOT / "var/site/tools").is_dir():
        (copy / "var/site").mkdir(parents=True)
        (copy / "var/site/tools").symlink_to(tools)
    done = subprocess.run([copy / "script/site"], cwd="/", capture_output=True, text=True, timeout=550, check=False)
    if "cannot be reached" in done.stderr:
        absent("a package index")
    assert done.returncode == 0, done.stderr
    return copy / "var/site/html"


def pages(site: Path) -> dict[str, Html]:
    return {
        path.relative_to(site).as_posix(): Html(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html") if path.name != "404.html"
    }  # fmt: skip


def test_every_page_of_the_docs_is_on_it(site: Path) -> None:
    """And in its navigation, by which somebody without a search word finds it."""
    written = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in ROOT.glob("docs/**/*.md")}
    written = {name.replace("README", "index") for name in written}
    assert written - pages(site).keys() == set()
    named = set(re.findall(r'"([\w/-]+)\.md"', (site.parent / "zensical.toml").read_text(encoding="utf-8")))
    assert {name.removesuffix(".html") for name in pages(site)} == named


def test_every_link_holds(site: Path) -> None:
    """To a page and to a heading in it."""
    found = pages(site)
    dead = []
    for name, page in found.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            other = found.get(target.resolve().relative_to(site.resolve()).as_posix()) if target.exists() else None
            if not target.exists() or (parts.fragment and other and unquote(parts.fragment) not in other.names):
                dead.append(f"{name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No font, no script, no picture: it works without a network."""
    for name, page in pages(site).items():
        assert [load for load in page.loads if urlsplit(load).netloc] == [], name
        for load in page.loads:
            assert ((site / name).parent / urlsplit(load).path).exists(), f"{name}: {load}"


def test_search_finds_every_page(site: Path) -> None:
    """By its title and by a word that only it has."""
    items = json.loads((site / "search.json").read_text(encoding="utf-8"))["items"]
    assert {item["location"].partition("#")[0] for item in items} == set(pages(site))
    assert [item["location"] for item in items if "SQLITE_NOTADB" in item["title"]] != []


def test_what_is_code_on_a_code_host_is_code_here(site: Path) -> None:
    """Blocks keep their text."""
    text = re.sub(r"<[^>]+>", "", (site / "index.html").read_text(encoding="utf-8"))
    assert "git clone REPOSITORY_URL otp_app" in text


def test_steps_are_counted_on_behind_a_block(site: Path) -> None:
    """As on a code host, where step 2 follows the code of step 1."""
    for path in ROOT.glob("docs/**/*.md"):
        text = BLOCK.sub("", path.read_text(encoding="utf-8"))
        page = site / path.relative_to(ROOT / "docs").with_suffix(".html").as_posix().replace("README", "index")
        lists = re.findall(r"<ol>(.*?)</ol>", page.read_text(encoding="utf-8"), re.DOTALL)
        assert len(lists) == len(re.findall(r"^1\. ", text, re.MULTILINE)), path.name
        steps = sum(steps.count("<li>") for steps in lists)
        assert steps == len(re.findall(r"^[1-9]\d?\. ", text, re.MULTILINE)), path.name
