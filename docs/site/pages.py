"""Lays out the pages of the docs site: python docs/site/pages.py FOLDER

The pages are those of docs/ and a few beside it. On a code host their links lead to files of the repository. On the
site a link to a page leads there, and a link to another file becomes its text.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: pages outside of docs/ -> their place on the site
BESIDE = {"README.md": "index.md", "CHANGELOG.md": "changes.md", "SECURITY.md": "security.md",
          "CONTRIBUTING.md": "contributing.md"}  # fmt: skip
PICTURES = (".png", ".svg")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"([1-9]\d?\.|-) +")


def places() -> dict[Path, str]:
    """Return where each page and picture is on the site."""
    found = {ROOT / name: place for name, place in BESIDE.items()}
    for path in sorted(DOCS.rglob("*")):
        if path.suffix in (".md", *PICTURES):
            found[path] = path.relative_to(DOCS).as_posix().replace("README.md", "index.md")
    return found


def on_site(page: Path, where: dict[Path, str]) -> str:
    """Return the text of a page with the links and the lists of the site. Blocks of code keep their text."""
    text, parts, at = page.read_text(encoding="utf-8"), [], 0
    for block in BLOCK.finditer(text):
        parts += [_linked(text[at : block.start()], page, where), block[0]]
        at = block.end()
    return "".join(_in_items("".join([*parts, _linked(text[at:], page, where)])))


def _in_items(text: str) -> Iterator[str]:
    """Yield the lines of a text, with four blanks in front of what belongs to an item of a list.

    Code hosts take as many as the mark of the item is wide. With fewer than four the tool ends the list there, and
    counts the steps behind a block of code from 1 again. An item behind a block begins after an empty line.
    """
    width, has_blocks, is_code = 0, False, False
    for line in text.splitlines(keepends=True):
        if not width and line.startswith("```"):
            is_code = not is_code
        elif not is_code and (item := ITEM.match(line)):
            if has_blocks:
                yield "\n"
            width, has_blocks = len(item[0]), False
        elif line.strip() and not line.startswith(" " * width):
            width, has_blocks, is_code = 0, False, line.startswith("```")
        elif width:
            has_blocks = has_blocks or not line.strip()
            line = " " * (4 - width) + line if line.strip() else line
        yield line


def _linked(text: str, page: Path, where: dict[Path, str]) -> str:
    def changed(link: re.Match[str]) -> str:
        name, mark, anchor = link[3].partition("#")
        if "://" in name or not name:
            return link[0]
        target = where.get((page.parent / name).resolve())
        if target is None:
            return link[2]
        here = Path(where[page]).parent
        return f"{link[1]}[{link[2]}]({Path(relpath(target, here)).as_posix()}{mark}{anchor})"

    return LINK.sub(changed, text)


def navigation(places: set[str]) -> str:
    """Return the settings of the tool, in which each page is named."""
    text = (DOCS / "site/zensical.toml").read_text(encoding="utf-8")
    unnamed = sorted(place for place in places if place.endswith(".md") and f'"{place}"' not in text)
    decisions = [place for place in unnamed if place.startswith("decisions/")]
    for wild, found in ("decisions/*", decisions), ("*", [place for place in unnamed if place not in decisions]):
        text = text.replace(f'    "{wild}",\n', "".join(f'    "{place}",\n' for place in found))
    return text


def main(folder: Path) -> None:
    """Write everything that the tool builds the site from."""
    pages, where = folder / "pages", places()
    shutil.rmtree(pages, ignore_errors=True)
    for path, place in where.items():
        (pages / place).parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in PICTURES:
            shutil.copy(path, pages / place)
        else:
            (pages / place).write_text(on_site(path, where), encoding="utf-8")
    shutil.copy(DOCS / "site/site.css", pages / "site.css")
    (folder / "zensical.toml").write_text(navigation(set(where.values())), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
