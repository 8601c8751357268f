"""The API of notifications, as the server opens it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from otp_app.apis.notifications import batch, views
from otp_app.apis.notifications.settings import NotificationsSettings
from otp_app.apis.notifications.state import State
from otp_app.core.delivery import reports_arrival
from otp_app.core.notification_templates import Template, bare
from otp_app.core.notification_transitions import Following
from otp_app.core.notifications import Notifications
from otp_app.core.queueing import Queue
from otp_app.core.segments import size_of
from otp_app.settings import Settings
from otp_app.settings.diagnosis import UsedTemplate
from otp_app.stores import keeps_jobs
from otp_app.web.api import Api
from otp_app.wiring import Services

NO_JOBS = "OTP_STORE_URL: this store keeps no jobs, as notifications need: use sqlite:///, redis:// or postgresql://"
CODES_ONLY = {"twilio_verify", "backend"}  # channels whose provider makes the texts


class NotificationsApi(Api):
    """Messages without a code: POST /notifications, and what became of them. Served while there are templates."""

    others: ClassVar = (views.bp, batch.bp)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Return a line where no job can be kept, and for each template that no channel can send."""
        templates = settings.of(NotificationsSettings).otp_templates_file
        if templates is None:
            return []
        lines = [
            f"OTP_TEMPLATES_FILE: line {templates.lines[name]}: {name} has nothing for the channels of OTP_CHANNELS"
            for name, template in templates.by_name.items() if not _has_channel(template, settings.otp_channels)
        ]
        return lines if _keeps_jobs(settings.otp_store_url) else [NO_JOBS, *lines]

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Return a line for each text that takes several SMS, whatever its variables are."""
        templates = settings.of(NotificationsSettings).otp_templates_file
        if templates is None or not set(settings.otp_channels) - CODES_ONLY - {"whatsapp"}:
            return []
        sizes = (
            (name, tag, size_of(bare(text)))
            for name, template in templates.by_name.items() for tag, text in template.texts.items()
        )
        return [
            f"OTP_TEMPLATES_FILE: line {templates.lines[name]}: {name}{f' in {tag}' if tag else ''} takes "
            f"{size.segments} SMS without its variables: {size.why}"
            for name, tag, size in sizes if size.segments > 1
        ]

    @classmethod
    def templates(cls, settings: Settings) -> list[UsedTemplate]:
        """Return those that WhatsApp has approved, in each language."""
        templates = settings.of(NotificationsSettings).otp_templates_file
        return [
            UsedTemplate(f"Template {name}{f' in {tag}' if tag else ''}", sid, tag, frozenset(approved.variables))
            for name, template in (templates.by_name.items() if templates else ()) if (approved := template.approved)
            for tag, sid in approved.sids.items()
        ]

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        own, verifications = services.settings.of(NotificationsSettings), services.verifications
        assert services.jobs  # noqa: S101  else `faults` said so
        assert own.otp_templates_file  # noqa: S101  else it is not served
        templates, recipients = own.otp_templates_file.by_name, verifications.recipients
        following = Following(
            receipts=bool(services.settings.otp_public_url),
            after=services.settings.otp_fallback_after,
            reporting=frozenset(channel.name for channel in services.channels if reports_arrival(channel)),
        )
        notifications = Notifications(
            services.store, services.channels, templates, put=services.jobs.put, ids=services.ids,
            clock=services.clock, opt_outs=verifications.opt_outs, is_test=recipients.is_test, following=following,
            notify=services.notify, recorder=services.history,
        )
        queue = Queue(
            services.store, notifications, recipients, templates, idempotent=services.idempotent, ids=services.ids,
            clock=services.clock, per_number=own.otp_notifications_per_number, per_key=own.otp_notifications_per_key,
        )
        self.state = State(queue, notifications)
        services.handlers.update(notifications.handlers)
        services.receivers["NT"] = lambda receipt: partial(notifications.receive, receipt)


def _has_channel(template: Template, channels: tuple[str, ...]) -> bool:
    by_text = set(channels) - CODES_ONLY - {"whatsapp"}
    return bool((template.text and by_text) or (template.approved and "whatsapp" in channels))


def _keeps_jobs(url: str) -> bool:
    try:
        return keeps_jobs(url)
    except ValueError:
        return True  # said of the URL itself
