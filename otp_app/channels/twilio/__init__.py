"""Twilio's Messages API: its client, its channels, and what its errors mean."""
