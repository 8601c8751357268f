"""The families of metrics: name, labels and meaning of each, in one place. No label has a number, a name or a path."""

from __future__ import annotations

from typing import NamedTuple

#: upper ends of what is counted together, seconds: the p99 of a check is a few milliseconds, a provider may take 10 s
REQUESTS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CALLS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Family(NamedTuple):
    """A family of metrics: a counter, a histogram where it has buckets, or a gauge, looked up for each reader."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_gauge: bool = False

    @property
    def type(self) -> str:
        """What Prometheus calls it."""
        return "gauge" if self.is_gauge else "histogram" if self.buckets else "counter"

    @property
    def width(self) -> int:
        """How many numbers one of its series has: each bucket, what is above them, and the sum; or one."""
        return len(self.buckets) + 2 if self.buckets else 1


STARTED = Family("otp_verifications_started_total", "Verifications that started, by who writes: code (this server) "
               "or inbound (the user), and by the calling code of the number.", ("way", "calling_code"))
APPROVALS = Family("otp_approvals_total", "Verifications that were approved, by the channel of the last message.",
                   ("channel", "calling_code"))
CHECKS = Family("otp_checks_total", "Attempts: approved, wrong, max_attempts_reached, or refused without a comparison, "
                "because nothing is pending that fits.", ("result",))
CANCELED = Family("otp_canceled_total", "Verifications that their callers canceled.")
MESSAGES = Family("otp_messages_total", "Messages handed to a channel: sent, refused or unknown. Kind is verification "
                  "or notification.", ("kind", "channel", "outcome"))
REFUSALS = Family("otp_refusals_total", "Messages that a channel refused, by reason.", ("kind", "channel", "reason"))
RECEIPTS = Family("otp_receipts_total", "Reports of what became of messages; error_class is none for those that "
                  "arrived.", ("kind", "channel", "status", "error_class"))
LOST = Family("otp_outcomes_lost_total", "Messages that left and whose outcome could not be stored.")
LIMITS = Family("otp_limits_reached_total", "Requests that a limit stopped, by the limit and whose it is: number, "
                "verification, client or key.", ("limit", "of"))
REJECTIONS = Family("otp_rejections_total", "Requests that were not done, by error type.", ("api", "error_type"))
HTTP = Family("otp_http_requests_total", "Requests that were answered. The operation is none where no path fits.",
              ("api", "operation", "status"))
HTTP_SECONDS = Family("otp_http_request_duration_seconds", "Time to an answer.", ("api", "operation"), REQUESTS)
PROVIDER_SECONDS = Family("otp_provider_call_duration_seconds", "Time that a channel took: to deliver, to check a code "
                          "or to end one.", ("channel", "call"), CALLS)
STORE_SECONDS = Family("otp_store_call_duration_seconds", "Time that the store took.", ("call",), CALLS)

GRPC = Family("otp_grpc_calls_total", "gRPC calls that were answered. The method is none where there is no such one.",
              ("method", "code"))
GRPC_SECONDS = Family("otp_grpc_call_duration_seconds", "Time to the answer of a gRPC call.", ("method",), REQUESTS)
TAKEN = Family("otp_worker_messages_taken_total", "Messages of RabbitMQ that a worker began with.", ("queue",))
WORKED = Family("otp_worker_messages_total", "Messages of RabbitMQ by what a worker made of them: done, dead with the "
                "reason, or left to another worker.", ("queue", "result", "reason"))

JOBS = Family("otp_jobs_waiting", "Jobs that the store keeps for later, of all servers.", is_gauge=True)
OVERDUE = Family("otp_jobs_overdue_seconds", "How long ago the oldest job was due.", is_gauge=True)
EVENTS = Family("otp_events_waiting", "Events that their receiver has not taken yet.", is_gauge=True)
DEAD = Family("otp_events_dead", "Events of the last 7 days that nobody took.", is_gauge=True)
BUILD = Family("otp_build_info", "1, with the version.", ("version",), is_gauge=True)
START = Family("otp_start_time_seconds", "When counting began, by the clock of the server.", is_gauge=True)

COUNTED = (STARTED, APPROVALS, CHECKS, CANCELED, MESSAGES, REFUSALS, RECEIPTS, LOST, LIMITS, REJECTIONS, HTTP,
           HTTP_SECONDS, PROVIDER_SECONDS, STORE_SECONDS, GRPC, GRPC_SECONDS, TAKEN, WORKED)
GAUGES = (JOBS, OVERDUE, EVENTS, DEAD, BUILD, START)
