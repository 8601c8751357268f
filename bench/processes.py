"""Memory of the processes that serve no HTTP, at their start and after 2,000 messages each: see README.md."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from otp_app.bus.connecting import Broker
from otp_app.bus.letters import REQUESTS, SENT, Letter
from otp_app.bus.publisher import Publisher
from tests.apis.grpc.running import RunningGrpc
from tests.bus.working import Worker
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.rabbit import Rabbit
from tests.running import RunningServer, wait_until
from tests.services import Postgres, postgres_programs

MESSAGES, CLIENTS = 2_000, 64


def memory(pid: int) -> float:
    """Proportional set size in MiB."""
    (line,) = (x for x in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if x[:4] == "Pss:")
    return int(line.split()[1]) / 1024


def grpc_calls(server: RunningGrpc, provider: Provider, numbers: Iterable[str]) -> None:
    """A send and a check of each number, from 64 clients that stay connected."""
    with ExitStack() as opened, ThreadPoolExecutor(CLIENTS) as together:
        clients = [opened.enter_context(server.client()) for _ in range(CLIENTS)]

        def story(turn: tuple[int, str]) -> bool:
            client, number = clients[turn[0] % CLIENTS], turn[1]
            return bool(client.send(number).success and client.verify(number, provider.code(number)).success)

        assert all(together.map(story, enumerate(numbers)))
        print(f"gRPC server: {memory(server.pid):.1f} MiB after {MESSAGES} sends and checks of {CLIENTS} clients")


def main() -> None:
    """Measure one after the other."""
    with tempfile.TemporaryDirectory(prefix="otp-", dir="/tmp") as name, ExitStack() as running:
        folder, provider = Path(name), running.enter_context(Provider())
        folder.chmod(0o755)
        for kind in ("rabbit", "postgres"):
            (folder / kind).mkdir()
        rabbit, postgres = Rabbit(folder / "rabbit"), Postgres(folder / "postgres", postgres_programs() or Path())
        running.callback(rabbit.close)
        rabbit.start()
        running.callback(postgres.stop)
        postgres.start()
        url, database = postgres.new_url(), postgres.new_url()
        given = RunningServer(folder, provider.url, store=url, DATABASE_URL=database, OTP_AMQP_URL=rabbit.url())
        numbers = fresh_numbers()
        with RunningGrpc(folder, **given.environment) as server:
            print(f"gRPC server: {memory(server.pid):.1f} MiB at its start")
            grpc_calls(server, provider, islice(numbers, MESSAGES))
        workers = {kind: Worker(folder, given.environment, kind) for kind in ("otp", "auth")}
        for worker in workers.values():
            running.callback(worker.stop)
        time.sleep(1)
        start = {kind: memory(worker.pid) for kind, worker in workers.items()}
        with closing(Publisher(Broker(rabbit.url()))) as publisher, rabbit.channel(rabbit.url()) as channel:
            for number in islice(numbers, MESSAGES):
                publisher.publish(REQUESTS, Letter.of(os.urandom(8).hex(), time.time(), {"phone_number": number}))

            def left() -> int:
                queues = (channel.queue_declare(route.queue, passive=True) for route in (REQUESTS, SENT))
                return sum(queue.method.message_count for queue in queues)

            wait_until(lambda: not left(), "the workers' end", 600)
        for kind, worker in workers.items():
            end = memory(worker.pid)
            print(f"worker {kind}: {start[kind]:.1f} MiB at its start, {end:.1f} after {MESSAGES} messages")


if __name__ == "__main__":
    main()
