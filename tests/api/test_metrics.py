"""Numbers for Prometheus: of one process, and of several that share a folder; docs are closed unless asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from fastapi.testclient import TestClient

from api.main import create_app
from recommender.settings import Settings

COUNT = """
from api.service.metrics import Metrics
numbers = Metrics()
for _ in range({times}):
    numbers.request("POST", "/v1/recommendations", 200, 0.01)
"""
TELL = "from api.service.metrics import Metrics; import sys; sys.stdout.buffer.write(Metrics().text())"


def test_numbers_of_several_workers_are_their_sum(tmp_path):
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for times in (3, 4):
        subprocess.run([sys.executable, "-c", COUNT.format(times=times)], env=env, check=True)
    told = subprocess.run([sys.executable, "-c", TELL], env=env, check=True, capture_output=True, text=True).stdout
    line = next(line for line in told.splitlines() if line.startswith("recommender_requests_total{"))
    assert float(line.rsplit(" ", 1)[1]) == 7.0
    assert re.search(r"recommender_request_seconds_count\{.*\} 7\.0", told)


def test_in_production_the_service_describes_itself_only_where_it_is_asked_to():
    key = "k" * 20
    for docs, status in ((None, 404), (True, 200)):
        settings = Settings(model_path=None, environment="production", api_keys=(key,), pages=False, docs=docs)
        with TestClient(create_app(settings)) as client:
            for path in ("/openapi.json", "/docs", "/redoc", "/metrics"):
                assert client.get(path).status_code == 401
                told = client.get(path, headers={"X-API-Key": key}).status_code
                assert told == (200 if path == "/metrics" else status), path
    with TestClient(create_app(Settings(model_path=None, pages=False))) as client:
        assert client.get("/openapi.json").status_code == client.get("/docs").status_code == 200
