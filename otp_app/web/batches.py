"""What is known of batches before their request is read."""

from __future__ import annotations

PATH = "/notifications/batch"
MOST_BODY = 256 * 1024  # bytes
