"""What every command has: help with an example, one line for a mistake, and an exit status."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

import click

from otp_app.core.errors import OtpError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
SOURCES = "sources"  # what a command looked at; see sources.Source
F = TypeVar("F", bound=Callable[..., Any])


class CannotDo(Exception):
    """The command cannot do it. The text says why, and what to do; `status` is the exit status."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.message, self.status = message, status


class _Exemplified(click.Command):
    """`example`: a command line that a reader can try, without the program's name."""

    def __init__(self, *args: Any, example: str = "", **more: Any) -> None:
        super().__init__(*args, **more)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the example, with the program's name as it was called."""
        if self.example:
            with formatter.section("Example"):
                formatter.write(f"{'':{formatter.current_indent}}{ctx.find_root().info_name} {self.example}\n")


class Command(_Exemplified):
    """One command."""


class Family(_Exemplified, click.Group):
    """Commands under one word."""

    command_class = Command


class Entry(NamedTuple):
    """Where a command is, imported only if it is called, and the sentence that `--help` shows beside it."""

    target: str  # module:name of the command, or of a function that returns it for its name
    summary: str


class Program(click.Group):
    """All commands, by a table. Help, completion and suggestions import none of them."""

    def __init__(self, entries: Mapping[str, Entry], **more: Any) -> None:
        super().__init__(commands=[click.Command(name, help=entry.summary) for name, entry in entries.items()], **more)
        self._entries = entries

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name of the command that is called, itself, and its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self._load(name) if name and command else command, rest

    def _load(self, command: str) -> click.Command:
        module, _, name = self._entries[command].target.partition(":")
        found: Any = getattr(import_module(module), name)
        loaded: click.Command = found if isinstance(found, click.Command) else found(command)
        return loaded


def run(program: click.Command, arguments: Sequence[str] | None, name: str) -> int:
    """Run the command that the arguments name and return its exit status. A person's mistake is told in one line."""
    try:
        return int(program.main(arguments, name, standalone_mode=False) or 0)
    except CannotDo as error:
        click.echo(error.message, err=True)
        return error.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OtpError as error:
        click.echo(str(error), err=True)
        return FAILED
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return INTERRUPTED


@contextmanager
def when_interrupted(message: str) -> Iterator[None]:
    """Tell this after Ctrl-C in the block."""
    try:
        yield
    except KeyboardInterrupt:
        raise CannotDo(message, INTERRUPTED) from None


def json_option(help_text: str = "print a JSON object") -> Callable[[F], F]:
    """Return the option `--json`, which the command gets as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def say(as_json: bool, result: Mapping[str, Any], *lines: str) -> None:
    """Print what came of a command: for programs an object, with what was looked at, else the lines."""
    if as_json:
        print(json.dumps({**result, **looked_at()}))
    else:
        print(*lines, sep="\n")


def looked_at() -> dict[str, Any]:
    """Return the member `sources` of a command's JSON object: the places that it has announced, if any."""
    context = click.get_current_context(silent=True)
    found = context.meta.get(SOURCES) if context else None
    return {SOURCES: found} if found else {}


def show_lines(lines: Sequence[str]) -> None:
    """Print lines for people or programs, as far as somebody reads them."""
    with suppress(BrokenPipeError):  # the reader, such as `head`, has closed the pipe
        print(*lines, sep="\n", end="\n" if lines else "", flush=True)
