"""Where one setting is written down, and how its value there is replaced."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from otp_app.cli.command import CannotDo
from otp_app.cli.rewriting import rewrite
from otp_app.settings.env_file import FileFault, read_lines, read_text

ENV = Path(".env")
IN_ENVIRONMENT = "is set in the environment, which a command cannot change: change it there"
OTHER_FORM = "is written in a way that this command does not change: edit it"


class Place(NamedTuple):
    """A setting as it is written; `file` is None for the environment."""

    setting: str
    file: Path | None
    text: str
    has_lines: bool  # the file has lines NAME=value; otherwise all of it is the value

    def __str__(self) -> str:
        """Return what to call it."""
        return str(self.file) if self.file else "the environment"

    def put(self, text: str) -> None:
        """Replace the value; everything else in the file stays as it is. Raises CannotDo."""
        if self.file is None:
            raise CannotDo(f"{self.setting} {IN_ENVIRONMENT}")
        before = read_text(self.file)
        after = self._with_line(self.file, before, text) if self.has_lines else before.replace(self.text, text)
        rewrite(self.file, before, after)

    def _with_line(self, file: Path, before: str, text: str) -> str:
        lines = before.splitlines(keepends=True)
        number = read_lines(file).numbers[self.setting]
        if lines[number - 1].count(self.text) != 1:
            raise CannotDo(f"{file}: line {number} {OTHER_FORM}")
        lines[number - 1] = lines[number - 1].replace(self.text, text)
        return "".join(lines)


def place_of(setting: str, further: Path | None = None) -> Place | None:
    """Return where the server finds a setting, in its order, and last in a file of lines; None where it is not set.

    Raises CannotDo.
    """
    try:
        for source, file in ((os.environ, None), (_lines(ENV), ENV)):
            if text := source.get(setting, "").strip():
                return Place(setting, file, text, has_lines=True)
            if path := source.get(f"{setting}_FILE"):
                return Place(setting, Path(path), read_text(Path(path)).strip(), has_lines=False)
        text = _lines(further).get(setting, "") if further else ""
    except FileFault as error:
        raise CannotDo(f"{setting}: {error}") from None
    return Place(setting, further, text, has_lines=True) if text else None


def _lines(file: Path) -> dict[str, str]:
    found = read_lines(file)
    if found.faults:
        raise CannotDo("\n".join(f"{file}: {line}" for line in found.faults))
    return found.values
