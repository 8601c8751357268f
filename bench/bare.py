"""Bare Flask, the yardstick: HTTP, JSON and one request to the provider, which no such server can do without."""

from __future__ import annotations

import os
import secrets
import ssl
from urllib.parse import urlencode

import urllib3
from flask import Flask, Response, jsonify, request

SID, TOKEN = os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"]
URL = f"{os.environ['TWILIO_API_BASE_URL']}/2010-04-01/Accounts/{SID}/Messages.json"
HEADERS = {**urllib3.make_headers(basic_auth=f"{SID}:{TOKEN}"), "Content-Type": "application/x-www-form-urlencoded"}

app = Flask(__name__)
pool = urllib3.PoolManager(
    maxsize=int(os.environ["OTP_THREADS"]), retries=False, timeout=10, ssl_context=ssl.create_default_context()
)


@app.get("/healthz")
def healthz() -> Response:
    """Say that the server is up."""
    return jsonify(status="ok")


@app.post("/send-otp")
def send_otp() -> Response:
    """Send a random code, with one request over a kept connection, and forget it."""
    to, code = request.get_json()["phone_number"], f"{secrets.randbelow(10**6):06d}"
    form = urlencode({"To": to, "From": os.environ["TWILIO_PHONE_NUMBER"], "Body": f"Your OTP is: {code}"})
    answer = pool.request("POST", URL, body=form, headers=HEADERS)
    if answer.status != 201:
        raise RuntimeError(answer.status)
    return jsonify(success=True, message="OTP sent successfully!")


@app.post("/verify-otp")
def verify_otp() -> Response:
    """Return the JSON that came in."""
    return jsonify(request.get_json())
