"""Memory of a service over many requests of every kind, with the durable log: it has to stay flat.

    python benchmarks/memory.py [--quick] [--requests 200000] [--log sqlite|URL]

One uvicorn process without a model. Ids are new all the time, so that whatever is kept by id shows; a quarter of the
requests is refused, since what fails must not pile up either. Caches fill at first: what counts is the slope over the
second half, in KiB per 1,000 requests (least squares over forty readings), and what it comes to over all requests.
Ends with 1 where that is more than ``--most`` MiB.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
AS_OF = "2026-11-23T08:00:00-05:00"
CLIENTS, READINGS = 4, 40


def account(number: int) -> dict[str, Any]:
    return {
        "account_id": f"A{number:x}z", "debtor_id": f"D{number // 2:x}z", "country": "CO", "timezone": "America/Bogota",
        "due_date": "2026-11-01", "balance_minor": 1_200_000 + number, "flags": [], "party": "debtor", "contacts": [],
        "consented_channels": ["sms", "whatsapp", "email", "call"], "features": {"product": f"kind{number % 50}"},
    }  # fmt: skip


class Caller:
    """One client: asks, tells, reads, errs, over one kept connection."""

    def __init__(self, port: int, serial: Any) -> None:
        self._port, self._serial = port, serial
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._decision = "none"

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON body; status 0 where the connection was lost."""
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, sent, {"content-type": "application/json"})
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            return 0, None
        return answer.status, json.loads(text) if text else None

    def one(self) -> int:
        """The next request; its status."""
        number = next(self._serial)
        kind = number % 8
        if kind in (0, 4):
            body = {"accounts": [account(number)], "as_of": AS_OF, "top_k": 1, "request_key": f"k{number}"}
            status, answer = self.call("POST", "/v1/recommendations", body)
            if status == 200:
                self._decision = answer["recommendations"][0]["decision_id"]
            return status
        decision = self._decision
        if kind == 1:
            told = {"decision_id": decision, "occurred_at": AS_OF, "outcome": "delivered", "outcome_id": f"o{number}"}
            return self.call("POST", "/v1/outcomes", {"outcomes": [told]})[0]
        if kind == 2:
            sent = {"dispatch_id": f"x{number}", "decision_id": decision, "state": "cancelled"}
            return self.call("POST", "/v1/dispatches", {"dispatches": [sent]})[0]
        if kind == 3:
            return self.call("GET", f"/v1/decisions/{decision}")[0]
        if kind == 5:
            return self.call("POST", "/v1/recommendations", {"accounts": [{"account_id": 5, f"x{number}": 1}]})[0]
        if kind == 6:
            return self.call("GET", f"/v1/nothing/{number}")[0]
        return self.call("GET", "/v1/features")[0]


def resident(pid: int) -> float:
    """MiB of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--log", default="sqlite", help="'sqlite', or the URL of an empty decision log")
    parser.add_argument("--most", type=float, default=16.0, help="MiB that the second half's slope may come to")
    parser.add_argument("--quick", action="store_true", help="2,000 requests, of which most fill caches")
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.api.served import free_port

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/log.db" if asked.log == "sqlite" else asked.log
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RECOMMENDER_")}
        own = {"RECOMMENDER_DECISION_LOG_URL": url, "RECOMMENDER_PAGES": "false", "RECOMMENDER_MODEL_PATH": "/none"}
        command = [sys.executable, "-m", "uvicorn", "--factory", "api.main:create_app", "--port", str(port)]
        server = subprocess.Popen(
            [*command, "--log-level", "error"], env=kept | own, cwd=ROOT, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            callers = [Caller(port, count(one * 10**9)) for one in range(CLIENTS)]
            while callers[0].call("GET", "/healthz")[0] != 200:
                if server.poll() is not None:
                    raise SystemExit("the server did not start")
                time.sleep(0.2)
            return report(server.pid, callers, 2_000 if asked.quick else asked.requests, asked.most)
        finally:
            server.terminate()
            server.wait(30)


def report(pid: int, callers: list[Caller], requests: int, most: float) -> int:
    each = max(1, requests // (READINGS * len(callers)))
    readings, statuses = [resident(pid)], dict[int, int]()
    with ThreadPoolExecutor(len(callers)) as pool:
        for _ in range(READINGS):
            for some in pool.map(lambda caller: [caller.one() for _ in range(each)], callers):
                for status in some:
                    statuses[status] = statuses.get(status, 0) + 1
            readings.append(resident(pid))
    made = each * len(callers)
    half = readings[READINGS // 2 :]
    slope = float(np.polyfit(np.arange(len(half)) * made / 1_000, half, 1)[0])
    whole = slope * made * READINGS / 1_000
    print(f"{made * READINGS:,} requests, statuses {dict(sorted(statuses.items()))}")
    print(f"resident MiB: start {readings[0]:.0f}, " + ", ".join(f"{one:.0f}" for one in readings[5::5]))
    print(f"second half: {1024 * slope:.1f} KiB per 1,000 requests, {whole:.1f} MiB over all ({most:g} allowed)")
    failed = sum(times for status, times in statuses.items() if status == 0 or status >= 500)
    return int(whole > most or failed > 0)


if __name__ == "__main__":
    sys.exit(main())
