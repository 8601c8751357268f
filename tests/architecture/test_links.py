"""The pages of the project lead to each other."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

from tests.architecture.source import ROOT

PAGES = sorted(chain(ROOT.glob("*.md"), *((ROOT / folder).rglob("*.md") for folder in ("docs", "examples", "bench"))))
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as the usual renderers make them, and those that it gives to other places."""
    text = page.read_text(encoding="utf-8")
    headings, given = re.findall(r"^#+ (.*)$", text, re.MULTILINE), re.findall(r'<a id="([^"]+)"></a>', text)
    return {*given} | {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def faults(page: Path) -> list[str]:
    """Each link of a page that leads nowhere."""
    links = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    found = []
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if link.startswith(("https://", "http://")):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


def test_every_link_leads_somewhere():
    """To a file of the project, and to a heading of it where it names one."""
    found = {str(page.relative_to(ROOT)): faults(page) for page in PAGES}
    assert {page: links for page, links in found.items() if links} == {}


def test_every_page_of_the_docs_can_be_found():
    """From the README or from a page that can be found itself."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        links = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
        targets = ((page.parent / link.partition("#")[0]).resolve() for link in links)
        waiting += [target for target in targets if target in PAGES]
    assert set((ROOT / "docs").glob("*.md")) - seen == set()


def named_in_code() -> set[str]:
    """The pages that comments, docstrings and messages name."""
    files = chain.from_iterable((ROOT / folder).rglob("*") for folder in ("otp_app", "deploy", "tests", "bench"))
    texts = (file.read_text(encoding="utf-8") for file in files if file.suffix in (".py", ".conf", ".yaml"))
    return {name for text in texts for name in re.findall(r"docs/[\w.-]+\.md", text)}


def test_every_page_that_the_code_names_is_there():
    """A reader of the code finds it."""
    assert {name for name in named_in_code() if not (ROOT / name).is_file()} == set()
