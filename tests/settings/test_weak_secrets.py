"""Secrets that are none, and those that are."""

import hashlib

import pytest

from otp_app.settings.weak_secrets import weak


def test_random_bytes_that_spell_a_placeholder_by_chance_are_a_secret():
    """One key in 500 begins with a dollar sign and a letter of Latin-1; words of documents are ASCII."""
    random = bytes.fromhex("e99f1c07b3d2485a6e90c4f7128b3d5caa61f0e7344f8c21d906b5e3780a5d")
    assert not weak(b"$" + random)
    assert weak(b"$OTP_SECRET_KEY_OF_THIS_SERVER_1")


@pytest.mark.parametrize("secret", [
    b"abcdefghijklmnopqrstuvwxyz012345", b"abcdefghijklmnopqrstuvwxyzabcdef", b"1234567890abcdef1234567890ABCDEF",
    bytes([*range(16), *range(15, -1, -1)]),
])  # fmt: skip
def test_counts_with_a_break_are_no_secret(secret):
    """The alphabet and its digits stand in many documents: each byte follows from the one before."""
    assert weak(secret)


@pytest.mark.parametrize("word", ["", "\n", "secret", "changeme\n", "null", '""', "undefined\n"])
def test_the_digest_of_nothing_or_of_a_placeholder_is_no_secret(word):
    """As bytes, or as the text that sha256sum prints: a variable without a value goes into a digest without a word."""
    digest = hashlib.sha256(word.encode())
    assert weak(digest.digest())
    assert weak(digest.hexdigest().encode())
    assert weak(f"{digest.hexdigest().upper()}\n".encode())
