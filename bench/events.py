"""What events and receipts cost: CPU of a send with and without them, and checks beside 1,000 receipts a second."""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import hmac
import itertools
import os
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlencode, urlsplit

import turns
from arrivals import Arrivals, Request
from load import Load
from loop import Loop
from servers import LOAD_CPU, ROOT, Server, machine_seconds, pin
from standin import StandIn

PUBLIC = "https://otp.example.com"
TOKEN = "0123456789abcdef" * 2  # as in servers.py
SECRET = "whsec_" + base64.b64encode(os.urandom(32)).decode()
STATUSES = ("sent", "delivered")
REPEATED_AFTER = 100  # receipts of other messages
CHECKS_EACH = 3  # wrong codes of a number in one phase, of the five that it takes
GUNICORN = f"{sys.executable} -m gunicorn -c {ROOT}/deploy/gunicorn.conf.py "
RECEIPT = (b"POST %b HTTP/1.1\r\nHost: otp.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
           b"X-Twilio-Signature: %b\r\nContent-Length: %d\r\n\r\n%b")


class Receiver:
    """Takes every event, and counts them."""

    def __init__(self, loop: Loop) -> None:
        self.taken, self._loop = 0, loop
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        loop.read(self._listener, self._accept)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/events"

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.read(client, lambda: self._readable(client))

    def _readable(self, client: socket.socket) -> None:
        """An event is one piece: it is small, and comes over the loopback address."""
        if not client.recv(65536):
            self._loop.close(client)
            return
        self.taken += 1
        client.send(b"HTTP/1.1 204 No Content\r\n\r\n")


class Bench:
    """The load, the provider's stand-in and the receiver, which are this process."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.loop = options, folder, Loop()
        self.standin, self.receiver = StandIn(self.loop, folder), Receiver(self.loop)
        self.numbers = map(turns.number, itertools.count())
        self.problems: Counter[str] = Counter()

    def server(self, name: str, *, public: bool, events: bool, app: str = "wsgi:app") -> Server:
        """Return a new server with a store of its own."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        server = Server(name, folder, self.standin, f"sqlite:///{folder}/otp.db", GUNICORN + app)
        server.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "bench")])
        server.environment |= {"OTP_PUBLIC_URL": PUBLIC} if public else {}
        server.environment |= {"OTP_EVENTS_URL": self.receiver.url, "OTP_EVENTS_SECRETS": SECRET} if events else {}
        server.start()
        return server

    def arrive(self, server: Server, requests: Iterable[tuple[float, Request]]) -> Arrivals:
        """Put load on a server at set times."""
        arrivals = Arrivals(self.loop, server.port)
        arrivals.run(iter(requests))
        self.problems.update(arrivals.problems)
        return arrivals

    def settle(self, seconds: float) -> None:
        """Serve the server for so long without load."""
        self.loop.later(seconds, self.loop.stop)
        self.loop.run()


def sends(bench: Bench) -> None:
    """Print the CPU of the whole server process for a send, by its settings."""
    plan = {
        "neither": bench.server("neither", public=False, events=False),
        "OTP_PUBLIC_URL": bench.server("public", public=True, events=False),
        "both, noted only": bench.server("noted", public=True, events=True, app="muted:app"),
        "both": bench.server("both", public=True, events=True),
    }
    rate, count = bench.options.rate, int(bench.options.rate * bench.options.seconds)
    costs: dict[str, list[float]] = {name: [] for name in plan}
    told = []
    try:
        for turn in range(bench.options.rounds + 1):
            for name, server in plan.items():
                before, taken = server.cpu_seconds(), bench.receiver.taken
                asked = (turns.send_request(number) for number in itertools.islice(bench.numbers, count))
                bench.arrive(server, ((n / rate, Request("send", one, 200)) for n, one in enumerate(asked)))
                bench.settle(1.0)
                if turn:  # the first warms up
                    costs[name].append(1e6 * (server.cpu_seconds() - before) / count)
                    told += [(bench.receiver.taken - taken) / count] if name == "both" else []
    finally:
        for server in plan.values():
            server.stop()
    base = median(costs["neither"])
    print(f"\n{rate:g} sends a second, {count} a round, {bench.options.rounds} rounds in turn; "
          f"{median(told):.2f} events of each\n")
    print("| set | CPU us a send: median (least, most) | to neither |\n|---|---|---|")
    for name, cost in costs.items():
        print(f"| {name} | {median(cost):.0f} ({min(cost):.0f}, {max(cost):.0f}) | {median(cost) / base:.2f} |")


def receipts(bench: Bench) -> None:
    """Print the latency of checks without receipts and beside them."""
    options, late, others = bench.options, 0.0, 0.0
    rows: dict[str, list[tuple[float, ...]]] = {"checks alone": [], "checks beside receipts": [], "the receipts": []}
    cpu: dict[bool, list[float]] = {False: [], True: []}
    server = bench.server("receipts", public=True, events=options.events)
    try:
        for turn in range(options.rounds + 1):
            for beside in (False, True):
                load = phase(bench, messages(bench, server), beside=beside)
                before, elsewhere, began = server.cpu_seconds(), used_elsewhere(server), time.perf_counter()
                done = bench.arrive(server, load)
                passed = time.perf_counter() - began
                if not turn:  # it warms up
                    continue
                cpu[beside].append(server.cpu_seconds() - before)
                others = max(others, (used_elsewhere(server) - elsewhere) / passed)
                rows["checks beside receipts" if beside else "checks alone"].append(quantiles(done.latencies["check"]))
                rows["the receipts"] += [quantiles(done.latencies["receipt"])] if beside else []
                late = max(late, done.latest)
    finally:
        server.stop()
    alone, more = median(cpu[False]), median(cpu[True]) - median(cpu[False])
    print(f"\n{options.checks:g} checks a second; {options.receipts:g} receipts, half of them news; OTP_EVENTS_URL "
          f"{'set' if options.events else 'unset'}; {options.seconds:g} s a phase, {options.rounds} rounds in turn\n")
    print("| | p50 ms | p99 ms (each round) |\n|---|---|---|")
    for name, found in rows.items():
        rounds = ", ".join(f"{p99:.1f}" for _, p99 in found)
        print(f"| {name} | {median(p50 for p50, _ in found):.1f} | {median(p99 for _, p99 in found):.1f} ({rounds}) |")
    each = 1e6 * alone / options.seconds / options.checks, 1e6 * more / options.seconds / options.receipts
    print(f"\nCPU: {each[0]:.0f} us a check, {each[1]:.0f} a receipt. The load was {1e3 * late:.0f} ms late at most, "
          f"and other programs took {others:.1f} CPUs at most: measure again if either is much")


def used_elsewhere(server: Server) -> float:
    """CPU seconds that programs other than the server and this one have taken so far."""
    return machine_seconds() - server.cpu_seconds() - time.process_time()


def phase(bench: Bench, codes: dict[str, str], *, beside: bool) -> list[tuple[float, Request]]:
    """The requests of one phase, each with its time."""
    options = bench.options
    checks = timed(options.checks, wrong_codes(codes), options.seconds)
    reports = timed(options.receipts, signed(bench.standin.callbacks), options.seconds) if beside else []
    return sorted([*checks, *reports], key=lambda one: one[0])


def messages(bench: Bench, server: Server) -> dict[str, str]:
    """Send what the next phase needs; return the codes. The callbacks are the stand-in's."""
    options = bench.options
    count = int(options.seconds * max(options.receipts / (2 * len(STATUSES)), options.checks / CHECKS_EACH)) + 1
    bench.standin.codes.clear()
    bench.standin.callbacks.clear()
    asked = turns.sends(itertools.islice(bench.numbers, count))
    bench.problems.update(Load(bench.loop, server.port, asked, 16, 3600, lambda: (0.0, 0.0, 0.0)).drive())
    bench.settle(1.0)
    return dict(bench.standin.codes)


def wrong_codes(codes: dict[str, str]) -> Iterator[Request]:
    """A wrong code of each number, and again."""
    for _ in range(CHECKS_EACH):
        for phone, code in codes.items():
            content = turns.check_request(phone, turns.wrong(code))
            yield Request("check", content, 400, turns.FAILED)


def signed(callbacks: list[tuple[str, str, str]]) -> Iterator[Request]:
    """Receipts of each message as Twilio signs them, each of them twice: the second is no news."""
    for status in STATUSES:
        for begin in range(0, len(callbacks), REPEATED_AFTER):
            batch = callbacks[begin : begin + REPEATED_AFTER]
            yield from (receipt(*callback, status) for callback in 2 * batch)


def receipt(url: str, sid: str, phone: str, status: str) -> Request:
    """A signed receipt, with the fields of Twilio's."""
    form = {"AccountSid": "AC" + "0" * 32, "ApiVersion": "2010-04-01", "From": "+15005550006", "MessageSid": sid,
            "MessageStatus": status, "SmsSid": sid, "SmsStatus": status, "To": phone}
    text = url + "".join(name + value for name, value in sorted(form.items()))
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), hashlib.sha1))
    body = urlencode(form).encode()
    return Request("receipt", RECEIPT % (urlsplit(url).path.encode(), signature, len(body), body), 204)


def timed(rate: float, requests: Iterable[Request], seconds: float) -> list[tuple[float, Request]]:
    """So many requests a second, evenly."""
    return [(n / rate, request) for n, request in enumerate(itertools.islice(requests, int(rate * seconds)))]


def quantiles(latencies: list[float]) -> tuple[float, float]:
    """Median and p99, in milliseconds."""
    ranked = sorted(latencies)
    return 1e3 * ranked[len(ranked) // 2], 1e3 * ranked[len(ranked) * 99 // 100]


def main() -> int:
    """Print a table; 1 when any answer was wrong, because then no figure counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["sends", "receipts"])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each phase")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=200.0, help="sends a second")
    parser.add_argument("--receipts", type=float, default=1000.0, help="a second")
    parser.add_argument("--checks", type=float, default=500.0, help="a second")
    parser.add_argument("--events", action="store_true", help="receipts: with OTP_EVENTS_URL")
    options = parser.parse_args()
    pin(LOAD_CPU)
    gc.disable()
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as name:
        bench = Bench(options, Path(name))
        (sends if options.what == "sends" else receipts)(bench)
        shutil.rmtree(name, ignore_errors=True)
    for problem, times in bench.problems.most_common(20):
        print(f"WRONG ANSWER, {times} times: {problem}", file=sys.stderr)
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
