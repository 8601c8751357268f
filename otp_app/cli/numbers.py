"""`numbers`: block a number, and give it its limits back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import click

from otp_app.cli.command import Family, json_option, say
from otp_app.cli.open_store import KEYS, NAMING, index_key, settings_of, store_in_use
from otp_app.cli.parameters import Number
from otp_app.core.codes import LedgerIds
from otp_app.core.ledgers import Ledgers
from otp_app.core.numbers import Numbers
from otp_app.core.phone import mask
from otp_app.settings import policy
from otp_app.system.clock import system_clock


@click.group(cls=Family)
def numbers() -> None:
    """Block and unblock a number, reset its limits."""


@numbers.command(example="numbers block +14155552671")
@click.argument("number", type=Number())
@json_option()
def block(number: str, as_json: bool) -> None:
    """Block a number: nothing is sent to it any more.

    All APIs then refuse sends to it with the error for a country that is not in OTP_COUNTRIES, its codes no longer
    work, and a message that it writes confirms nothing. The block lasts for ten years, or until `numbers unblock`. The
    servers need no restart.
    """
    with _numbers() as found:
        is_news = found.block(number)
    say(as_json, {"blocked": True, "changed": is_news}, f"{mask(number)} is blocked{'' if is_news else ' already'}.")


@numbers.command(example="numbers unblock +14155552671")
@click.argument("number", type=Number())
@json_option()
def unblock(number: str, as_json: bool) -> None:
    """Unblock a number."""
    with _numbers() as found:
        is_news = found.unblock(number)
    line = f"{mask(number)} is not blocked any more." if is_news else f"{mask(number)} was not blocked."
    say(as_json, {"blocked": False, "changed": is_news}, line)


@numbers.command(example="numbers reset +14155552671")
@click.argument("number", type=Number())
@json_option()
def reset(number: str, as_json: bool) -> None:
    """Reset the message limits of a number.

    Its limits by hour and by day, waits, cool-downs and provider refusals start from zero, so the next message can be
    sent at once. Wrong codes still count, because their sum over 30 days bounds guessing.
    """
    with _numbers() as found:
        is_news = found.reset(number)
    line = f"{mask(number)} has all its messages again." if is_news else f"No limit holds for {mask(number)}."
    say(as_json, {"changed": is_news}, line)


@contextmanager
def _numbers() -> Iterator[Numbers]:
    """Open what changes numbers in the store in use. Raises CannotDo unless its keys are those of the records."""
    settings = settings_of(NAMING | KEYS)
    with store_in_use() as store:
        ids = LedgerIds(index_key(settings, store), secrets.token_bytes)
        rules = policy.numbers(settings)
        yield Numbers(Ledgers(store, system_clock(), rules), ids, rules)
