"""Server CPU of a recommendation request against a no-op endpoint with the same body and middleware, in one run.

    python benchmarks/service.py [--quick] [--strategy DIRECTORY] [--log sqlite|URL]

One uvicorn process (uvloop, httptools), no keys; without ``--log`` no decision log. With it every request asks about
new accounts, and each decision is written down before it is answered. This process sends requests over one keep-alive
connection, at the end over 32. CPU is that of the server process (all threads; a database server has its own), medians
over rounds in which every side takes its turn. Quote the ratios: absolute times drift with the machine.

The sides: a plain FastAPI no-op (the same body validated by FastAPI, a canned answer of the same model), a lean no-op
(the same body through this service's own route, a canned answer), the recommendation, and the trees alone by
``Booster.predict`` over account x actions (no law, no regressions, no interval).
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count as numbers
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SERVER = Path(__file__).with_name("peers") / "service_sides.py"
AS_OF = "2026-11-23T08:00:00-05:00"


class Client:
    """Posts JSON over one kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Answer of one request."""
        headers = {"content-type": "application/json"} if body else {}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return text

    def usage(self) -> dict[str, float]:
        """CPU seconds and peak memory of the server so far."""
        return dict(json.loads(self.call("GET", "/bench/usage")))


def an_account(number: int, features: list[tuple[str, list[str] | None]], rng: random.Random) -> dict[str, Any]:
    """Facts, forty features and a contact."""
    drawn = {
        name: (rng.choice(levels[:5]) if levels else round(rng.random() * 50, 2))
        for name, levels in features
        if name not in {"country", "balance_minor", "days_past_due", "stage"}
    }
    name = f"A{number}"
    contact = {"account_id": name, "sent_at": "2026-11-13T15:00:00Z", "channel": "sms", "hour": 10, "tone": "friendly"}
    return {
        "account_id": name,
        "debtor_id": f"D{number}",
        "country": "CO",
        "timezone": "America/Bogota",
        "due_date": str(dt.date(2026, 11, 1) - dt.timedelta(days=number % 90)),
        "balance_minor": 1_200_000,
        "consented_channels": ["sms", "whatsapp", "email", "call"],
        "flags": [],
        "party": "debtor",
        "contacts": [contact],
        "features": drawn,
    }


def trained(folder: Path, quick: bool) -> Path:
    """A strategy trained on a simulated log."""
    from recommender import ContactStrategy
    from recommender.simulation import simulate

    log = simulate(1_500 if quick else 6_000, seed=1, no_contact=True).feedback()
    return ContactStrategy(n_jobs=1, random_state=0).fit(log).save(folder / "strategy")


def features_of(strategy: Path) -> list[tuple[str, list[str] | None]]:
    from recommender import ContactStrategy

    model = ContactStrategy.load(strategy)
    kinds = {one.name: one for one in model.reward_model_.encoder.columns}
    names = [str(name) for name in model.feature_names_in_]
    return [(name, list(kinds[name].categories) if kinds[name].kind == "category" else None) for name in names]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Body = Callable[[], bytes]


def measure(client: Client, sides: dict[str, tuple[str, Body, int]], rounds: int) -> dict[str, float]:
    """Median server CPU seconds a request of each side; every round runs all sides."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for path, body, _ in sides.values():
        for _ in range(5):
            client.call("POST", path, body())
    for _ in range(rounds):
        for name, (path, body, times) in sides.items():
            bodies = [body() for _ in range(times)]
            before = client.usage()["cpu"]
            for sent in bodies:
                client.call("POST", path, sent)
            taken[name].append((client.usage()["cpu"] - before) / times)
    return {name: statistics.median(values) for name, values in taken.items()}


def crowd(port: int, path: str, body: Body, clients: int, each: int) -> tuple[float, float]:
    """Median and 99th percentile of seconds a request, with some clients that ask all the time."""
    bodies = [[body() for _ in range(each)] for _ in range(clients)]

    def run(own: list[bytes]) -> list[float]:
        client, seconds = Client(port), []
        for sent in own:
            began = time.perf_counter()
            client.call("POST", path, sent)
            seconds.append(time.perf_counter() - began)
        return seconds[1:]  # the first finds the connection

    with ThreadPoolExecutor(clients) as pool:
        taken = sorted(one for own in pool.map(run, bodies) for one in own)
    return statistics.median(taken), taken[int(0.99 * len(taken))]


def report(title: str, seconds: dict[str, float], accounts: int) -> None:
    print(title)
    base, lean = seconds["no-op, plain FastAPI"], seconds["no-op, lean route"]
    for name, value in seconds.items():
        each = f"   {value / accounts * 1e6:8.1f} an account" if accounts > 1 else ""
        print(f"  {name:42s} {value * 1e6:9.0f} us   {value / base:6.2f} x plain   {value / lean:6.2f} x lean{each}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small model and few requests")
    parser.add_argument("--strategy", type=Path, help="saved strategy; by default one is trained")
    parser.add_argument("--log", help="'sqlite', or the URL of an empty decision log")
    parser.add_argument("--profile", type=Path, help="write cProfile statistics of the server (slows it down)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        strategy = options.strategy or trained(Path(folder), options.quick)
        features = features_of(strategy)
        rng = random.Random(1)  # noqa: S311 - made-up accounts
        port = free_port()
        url = f"sqlite:///{folder}/decisions.db" if options.log == "sqlite" else options.log
        more = [*(["--log", url] if url else []), *(["--profile", str(options.profile)] if options.profile else [])]
        # -P: this folder's api.py must not be taken for the application
        command = [sys.executable, "-P", str(SERVER), str(port), str(strategy), *more]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment)
        try:
            client = Client(port)
            for _ in range(3_000):
                if server.poll() is not None:
                    raise SystemExit(f"the server did not start; run {' '.join(command)}")
                try:
                    client.call("GET", "/healthz")
                    break
                except (ConnectionRefusedError, http.client.HTTPException):
                    client = Client(port)
                    time.sleep(0.1)
            started = client.usage()["peak_mib"]
            rounds, times = (5, 40) if options.quick else (15, 200)
            serial = numbers()

            def body_of(count: int) -> bytes:
                accounts = [an_account(next(serial) if url else one, features, rng) for one in range(count)]
                return json.dumps({"accounts": accounts, "as_of": AS_OF}).encode()

            for count in (1, 1_000) if url else (1, 100):
                body = body_of(count)
                client.call("PUT", "/bench/canned", client.call("POST", "/v1/recommendations", body))
                n = times if count == 1 else max(2, times // (count // 5))
                same, new = lambda body=body: body, lambda count=count: body_of(count)
                sides = {
                    "no-op, plain FastAPI": ("/bench/noop", same, n),
                    "no-op, lean route": ("/bench/lean", same, n),
                    "POST /v1/recommendations": ("/v1/recommendations", new if url else same, n),
                }
                if not url:
                    sides["trees by Booster.predict, cross product"] = ("/bench/predict", same, max(3, n // 10))
                report(
                    f"{count} account{'s' * (count > 1)}, {len(body):,} bytes", measure(client, sides, rounds), count
                )
            each = 10 if options.quick else 40
            for name, path in (("no-op, lean route", "/bench/lean"), ("recommendations", "/v1/recommendations")):
                middle, slow = crowd(port, path, lambda: body_of(1), 32, each)
                print(f"32 clients, {name}: p50 {1e3 * middle:.1f} ms, p99 {1e3 * slow:.1f} ms, {slow / middle:.1f} x")
            client = Client(port)  # the first has been idle for too long
            text = client.call("GET", "/metrics").decode()
            left = [line for line in text.splitlines() if line.startswith("recommender_general_path_total")]
            print(f"left to the general path: {left or 'nothing'}")
            print(
                f"peak memory of the server: {client.usage()['peak_mib']:.0f} MiB ({started:.0f} when it had started)"
            )
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
