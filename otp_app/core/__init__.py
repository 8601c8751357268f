"""The rules of one-time codes: what counts, what is limited, what ends.

The rule of this folder: the standard library and phonenumbers only. No I/O, no Flask, no Twilio, no clock of its
own: time and randomness are handed in. tests/architecture/test_floors.py holds it.
"""
