"""Twilio's Verify v2: a client of Twilio's that is pointed at this server works as before. See docs/verify-v2.md."""
