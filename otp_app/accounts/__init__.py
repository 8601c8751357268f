"""Accounts: users by phone number, their sessions, and what they did. No transport: APIs call service.Accounts.

Only an API that serves accounts imports these modules; they need the packages of requirements-accounts.txt.
"""
