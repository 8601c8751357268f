"""Secrets that are none, and those that are."""

from otp_app.weak_secrets import weak


def test_random_bytes_that_spell_a_placeholder_by_chance_are_a_secret():
    """One key in 500 begins with a dollar sign and a letter of Latin-1; words of documents are ASCII."""
    random = bytes.fromhex("e99f1c07b3d2485a6e90c4f7128b3d5caa61f0e7344f8c21d906b5e3780a5d")
    assert not weak(b"$" + random)
    assert weak(b"$OTP_SECRET_KEY_OF_THIS_SERVER_1")
