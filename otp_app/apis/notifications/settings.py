"""The settings of notifications."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from otp_app.apis.notifications import template_file
from otp_app.apis.notifications.template_file import Templates
from otp_app.core.upkeep import MOST_NOTIFIED
from otp_app.settings.model import ApiModel, Setting


class NotificationsSettings(ApiModel, frozen=True, kw_only=True):
    """What may be sent, and how much of it."""

    api: ClassVar = "notifications"

    otp_templates_file: Annotated[Templates | None, Setting(
        "File with the templates of [notifications](notifications.md). With it the server has `POST /notifications`. "
        "It is read at the start, and again at a reload.", group="Notifications", form="path of a TOML file",
        read=template_file.read,
    )] = None
    otp_notifications_per_number: Annotated[int, Meta(ge=1, le=MOST_NOTIFIED), Setting(
        "Notifications to one number per 24 hours.",
    )] = 10
    otp_notifications_per_key: Annotated[int, Meta(ge=1, le=1_000_000), Setting(
        "Notifications of one API key per day (UTC).",
    )] = 1000
