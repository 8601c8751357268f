"""The table of docs/commands.md. `python -m otp_app.cli.reference` writes it, in the root of the repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from otp_app.cli import COMMANDS
from otp_app.cli.command import Program

DOCUMENT = "docs/commands.md"
BEGIN = "<!-- from here on: made by python -m otp_app.cli.reference -->\n"
NAME = "otp-app"


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """Return every command, each with its context, and before those of a family the family itself."""
    program = Program(COMMANDS)
    root = click.Context(program, info_name=NAME)
    for word in program.list_commands(root):
        _, command, _ = program.resolve_command(root, [word])
        if command:
            yield from _below(root, word, command)


def _below(parent: click.Context, word: str, command: click.Command) -> Iterator[tuple[click.Context, click.Command]]:
    context = click.Context(command, info_name=word, parent=parent)
    yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from _below(context, name, command.commands[name])


def document(shown: str) -> str:
    """Return the page with the commands as they are now; the prose before them stays."""
    return shown.partition(BEGIN)[0] + BEGIN + "".join(_section(*each) for each in commands())


def _section(context: click.Context, command: click.Command) -> str:
    example = getattr(command, "example", "")
    if not example:
        return ""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    rows = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    options = "".join(f"- `{row[0]}`: {row[1]}\n" for row in rows if row)
    parts = (f"### {context.command_path.removeprefix(f'{NAME} ')}", f"`{usage}`", _text(command.help or ""))
    block = f"```sh\n{NAME} {example}\n```\n"
    return "\n" + "\n\n".join(parts) + f"\n\n{options}{'' if not options else chr(10)}{block}"


def _text(description: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in description.split("\n\n"))


if __name__ == "__main__":
    page = Path(DOCUMENT)
    page.write_text(document(page.read_text(encoding="utf-8")), encoding="utf-8")
