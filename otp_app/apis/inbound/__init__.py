"""Proof by writing to us: POST /verifications/inbound answers a word, which the holder of a number sends back."""
