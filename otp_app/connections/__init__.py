"""Connections to servers that several parts use, one file for each protocol."""
