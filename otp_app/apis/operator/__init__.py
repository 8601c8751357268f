"""The operator's pages: what was sent and what arrived, what became of one verification, and what can be done about it.

Whoever works with them has logged in with an API key with the scope admin.
"""
