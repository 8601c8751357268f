"""The rules of one-time codes: what lives, what counts, what is refused.

Law of this folder: the standard library and phonenumbers only. No I/O, no Flask, no Twilio, no clock of its
own: time and randomness are handed in. tests/house/test_floors.py holds it.
"""
