"""Directories of users: one file for each kind. otp_app.directory opens them."""
