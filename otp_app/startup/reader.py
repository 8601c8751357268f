"""The settings of this server, read together: its own, and those of its APIs."""

from __future__ import annotations

from otp_app.apis.phone import settings as phone
from otp_app.apis.users import settings as users
from otp_app.settings import Settings, implied
from otp_app.settings.environment import Reader

#: what APIs imply comes first: channels follow from Twilio's variables, which PHONE_VERIFICATION may stand for
READER = Reader((Settings,), (phone.implied, users.implied, implied))
