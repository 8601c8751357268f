"""The history: a row for each verification and notification that has ended, in a database of its own, without codes.

Requests only note which record they changed; a thread writes rows, and finds again in the store what a crash has lost.
"""
