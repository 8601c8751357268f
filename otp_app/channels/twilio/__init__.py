"""Twilio's Messages API: its client, its channels, and the meaning of its errors."""
