"""The size and the words of the source."""

import statistics
import subprocess

from tests.architecture.source import FILES, PACKAGE, ROOT, functions, place
from tests.conftest import absent, require

#: folders of one machine, which nothing in a repository can mean
MACHINE = [f"/{folder}/" for folder in ("work", "root")]


def test_no_file_is_long():
    """300 lines: who needs more has two things to say."""
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: size for path, size in sizes.items() if size > 300} == {}


def lines(function):
    return function.end_lineno - function.lineno + 1


def test_no_function_is_long():
    """40 lines at most."""
    assert [place(path, node) for path, node in functions() if lines(node) > 40] == []


def test_functions_are_short():
    """Half of them have 6 lines or fewer, nine of ten have 20 or fewer."""
    lengths = sorted(lines(node) for _, node in functions())
    assert statistics.median(lengths) <= 6
    assert lengths[len(lengths) * 9 // 10] <= 20


def test_names_say_what_is_in_a_file():
    """No drawer for odds and ends."""
    drawers = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base", "shared"}
    assert [path for path in PACKAGE.rglob("*") if path.stem in drawers] == []


def tracked():
    """The files of the repository that are text, those to be added included."""
    git = require("git")
    if not (ROOT / ".git").exists():
        absent("the repository")
    listed = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield name, content.decode("utf-8")


def test_the_repository_knows_no_machine():
    """No path of the machine that something was written on."""
    assert [name for name, text in tracked() if any(folder in text for folder in MACHINE)] == []


def test_every_text_is_utf_8_with_unix_lines():
    """An editor on another system changes no line by opening it."""
    texts = dict(tracked())
    assert len(texts) > 50
    assert [name for name, text in texts.items() if "\r\n" in text] == []
