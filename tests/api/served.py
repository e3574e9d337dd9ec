"""The service in processes of its own, as it is run: for tests that race, kill and starve it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, Self

from tests.forked import Forked

__all__ = ["Served", "free_port"]

#: Seconds that any answer may take on a loaded machine: waiting for a turn, for the debtors, and one last write.
_LONGEST_ANSWER = 120.0


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(port: int) -> None:
    """Be ``uvicorn --factory api.main:create_app``."""
    import uvicorn.main

    asked = ["--factory", "api.main:create_app", "--port", str(port), "--log-level", "error"]
    uvicorn.main.main([*asked, "--timeout-graceful-shutdown", "10"])


class Served:
    """Some independent processes over one decision log.

    Parameters
    ----------
    url : str
        Of the decision log.
    workers : int, default=1
    settings : str
        ``RECOMMENDER_<NAME>`` by name.
    """

    def __init__(self, url: str, workers: int = 1, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RECOMMENDER_")}
        given = {"decision_log_url": url, "pages": "false", "model_path": "/nonexistent"} | settings
        self._env = kept | {f"RECOMMENDER_{name.upper()}": value for name, value in given.items()}
        self.ports = [free_port() for _ in range(workers)]
        self.processes: list[Forked] = []

    def start(self, port: int) -> Forked:
        """Start one process."""
        return Forked(_serve, port, environment=self._env)

    def __enter__(self) -> Self:
        self.processes = [self.start(port) for port in self.ports]
        try:
            for port in self.ports:
                self.wait(port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait(self, port: int, seconds: float = 400.0) -> None:
        """Until the process answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.ask("GET", "/healthz", port=port, timeout=2)[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the service did not start")

    def ask(
        self, method: str, path: str, body: Any = None, *, port: int | None = None, timeout: float = 60.0
    ) -> tuple[int, Any]:
        """Status and JSON body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.ports[0], timeout=timeout)
        try:
            sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, sent, {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except http.client.IncompleteRead as error:  # the process broke in the middle of its answer
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def _insist(self, path: str, body: Any, port: int) -> tuple[int, Any]:
        """Ask again while the service says that it is too busy, as any client does; it must say so, and not hang."""
        for pause in (0.2, 0.5, 1.0, 2.0, 4.0, None):
            status, answer = self.ask("POST", path, body, port=port, timeout=_LONGEST_ANSWER)
            if status != 503 or pause is None:
                break
            time.sleep(pause)
        return status, answer

    def post_all(self, path: str, bodies: list[Any], *, clients: int, keep: bool = False) -> Any:
        """Send requests from several threads to the processes in turn; statuses counted, or all answers in order."""
        places = cycle(self.ports)
        asked = [(body, next(places)) for body in bodies]
        with ThreadPoolExecutor(clients) as pool:
            answers = list(pool.map(lambda one: self._insist(path, *one), asked))
        return answers if keep else Counter(status for status, _ in answers)
