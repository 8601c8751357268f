"""`send`, `verify` and `notify`: ask a running server, as any other client does."""

from __future__ import annotations

from pathlib import Path

import click

from otp_app.cli.client import server_of, server_options
from otp_app.cli.command import Command, json_option, say
from otp_app.cli.parameters import NameValue

Pairs = tuple[tuple[str, str], ...]
purpose_option = click.option("--purpose", default="", help="what the code is for, such as login (the default)")
channel_option = click.option("--channel", default="", help="use only this channel, such as sms")
locale_option = click.option("--locale", default="", help="language of the message, such as pt-BR")


@click.command(cls=Command, example="send +14155552671 --purpose login")
@click.argument("number")
@channel_option
@purpose_option
@locale_option
@click.option("--tag", "tags", type=NameValue(), multiple=True, help="tag that the status shows; five at most")
@server_options
@json_option("print the server's answer")
def send(number: str, tags: Pairs, url: str, key_file: Path | None, as_json: bool, **how: str) -> None:
    """Send a code to a number through the running server.

    The command calls the server at HOST and PORT, or at --url. With the channel console, the server prints the code in
    its terminal. The limits of any client apply. The API key comes from OTP_CLI_KEY or --key-file. While a code is
    pending, the same code is sent again.
    """
    fields = {"phone_number": number, "tags": dict(tags), **how}
    needs = ("to", "channel", "expires_in", "message", "verification_id")
    answer = server_of(url, key_file).post("/send-otp", fields, needs)
    to, channel, seconds = answer["to"], answer["channel"], answer["expires_in"]
    sent = f"{answer['message']} To {to} by {channel}, for {seconds} seconds."
    say(as_json, answer, sent, f"Verification: {answer['verification_id']}")


@click.command(cls=Command, example="verify +14155552671 123456")
@click.argument("target", metavar="NUMBER|ID")
@click.argument("code")
@purpose_option
@server_options
@json_option("print the server's answer")
def verify(target: str, code: str, purpose: str, url: str, key_file: Path | None, as_json: bool) -> None:
    """Check a code on the running server.

    Name the phone number, or the id of the verification (VE and 32 hex digits). The exit status is 0 if the code is
    right. A wrong code uses one of the attempts, as for any client, and the exit status is 1.
    """
    field = "verification_id" if target.startswith("VE") else "phone_number"
    fields = {field: target, "otp": code, "purpose": purpose}
    answer = server_of(url, key_file).post("/verify-otp", fields, ("message", "status", "verification_id"))
    say(as_json, answer, answer["message"])


@click.command(cls=Command, example="notify +14155552671 order_shipped --var number=A-1042")
@click.argument("number")
@click.argument("template")
@click.option("--var", "variables", type=NameValue(), multiple=True, help="value of a variable of the template")
@channel_option
@locale_option
@server_options
@json_option("print the server's answer")
def notify(number: str, variables: Pairs, url: str, key_file: Path | None, as_json: bool, **how: str) -> None:
    """Queue a notification on the running server.

    TEMPLATE is a name in its OTP_TEMPLATES_FILE. The API key needs the scope notify.
    """
    fields = {"phone_number": number, "variables": dict(variables), **how}
    answer = server_of(url, key_file).post("/notifications", fields, ("to", "id"))
    say(as_json, answer, f"Queued for {answer['to']}: {answer['id']}")
