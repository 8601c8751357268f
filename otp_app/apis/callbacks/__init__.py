"""Callbacks: what providers report of messages, to the address of OTP_PUBLIC_URL."""
