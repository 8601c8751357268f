"""What is known of callbacks before their request is read."""

from __future__ import annotations

import re

PATH = "/callbacks/"  # all that providers call is below it
MOST_BODY = 64 * 1024  # bytes; a message of WhatsApp has 4,096 characters, each of 12 bytes at most in a form
MOST_RECEIPT = 16 * 1024  # bytes; Twilio's have about one thousand, and may grow
#: how requests begin that report what became of a message, which nobody waits for: POST PATH/PROVIDER/status/…
RECEIPT = re.compile(rb"POST /callbacks/[a-z]++/status/")
