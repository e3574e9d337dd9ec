"""Bearer tokens of an issuer with keys made here: who is let in, who is not, and what a turn of the keys does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.testclient import TestClient

from api.main import create_app
from api.service import oidc
from api.service.keys import scope_of
from recommender.settings import SCOPES, Settings
from tests import own_loop
from tests.api.test_keys import EXPECTED

AUDIENCE = "contact-recommender"


class Issuer:
    """Publishes its keys on a loopback port and signs tokens."""

    def __init__(self):
        self.keys = {}
        self.asked = 0
        self.is_down = False
        self.extra = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                found = issuer.documents().get(self.path)
                self.send_response(503 if issuer.is_down else 200 if found else 404)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/realm"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def documents(self):
        keys = []
        for kid, key in self.keys.items():
            kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
            keys.append(kind.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"})
        return {
            "/realm/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/realm/keys": {"keys": [*self.extra, *keys]},
        }

    def token(self, kid="one", algorithm="RS256", key=None, headers=None, **claims):
        now = int(time.time())
        body = {
            "iss": self.url, "aud": AUDIENCE, "sub": "ana@example.com", "iat": now, "exp": now + 300, "scope": "score",
        }  # fmt: skip
        body = {name: value for name, value in (body | claims).items() if value is not None}
        return jwt.encode(body, key or self.keys[kid], algorithm, headers={"kid": kid} | (headers or {}))


@pytest.fixture(scope="module")
def rsa_keys():
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]


@pytest.fixture
def issuer(rsa_keys):
    one = Issuer()
    one.keys["one"] = rsa_keys[0]
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def client(issuer):
    settings = Settings(
        model_path=None, pages=False, environment="production", oidc_issuer=issuer.url, oidc_audience=AUDIENCE,
        named_keys={"engine": {"sha256": hashlib.sha256(b"k" * 20).hexdigest(), "scopes": ["score"]}},
    )  # fmt: skip
    with TestClient(create_app(settings)) as one:
        yield one


def status(client, token, path="/v1/features", **headers):
    return client.get(path, headers={"Authorization": f"Bearer {token}"} | headers).status_code


def test_a_token_opens_the_routes_of_its_scopes_and_no_others(client, issuer):
    for (method, template), wanted in EXPECTED.items():
        path = template.replace("{decision_id}", "x").replace("{debtor_id}", "x")
        assert scope_of(method, path) == wanted
        for scope in SCOPES:
            token = issuer.token(scope=f"openid {scope}")
            told = client.request(
                method, path, headers={"Authorization": f"Bearer {token}"}, json={} if method == "POST" else None
            )
            assert (told.status_code in (401, 403)) == (scope != wanted), (method, path, scope, told.text)
            assert told.status_code != 401
        assert client.request(method, path).status_code == 401
    refused = client.get("/v1/features")
    assert refused.headers["WWW-Authenticate"] == "ApiKey, Bearer"
    assert client.get("/v1/features", headers={"X-API-Key": "k" * 20}).status_code == 200
    assert issuer.asked <= 4  # its keys are kept


def forged(issuer, header, claims=None, secret=b""):
    """A token signed with HMAC, by hand: the library refuses to make it."""
    body = jwt.decode(issuer.token(), options={"verify_signature": False}) | (claims or {})
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, body)]
    mark = hmac.new(secret, b".".join(parts), "sha256").digest() if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(mark).rstrip(b"=")]).decode()


def test_what_is_wrong_with_a_token_keeps_it_out(client, issuer, rsa_keys):
    now = int(time.time())
    stranger = rsa_keys[1]
    public = rsa_keys[0].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    curve = ec.generate_private_key(ec.SECP256R1())
    good = issuer.token()
    issuer.extra = [{"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")}]
    wrong = {
        "signed by another": issuer.token(key=stranger),
        "of another issuer": issuer.token(iss="https://evil.example"),
        "for another service": issuer.token(aud="billing"),
        "for nobody": issuer.token(aud=None),
        "expired": issuer.token(iat=now - 900, exp=now - 60),
        "without an end": issuer.token(exp=None),
        "of nobody": issuer.token(sub=None),
        "not yet valid": issuer.token(nbf=now + 120),
        "issued in the future": issuer.token(iat=now + 120),
        "key unknown": issuer.token(headers={"kid": "other"}),
        "another algorithm of the same key": issuer.token(algorithm="PS256"),
        "a curve under the name of the RSA key": issuer.token(algorithm="ES256", key=curve),
        "none": forged(issuer, {"alg": "none", "kid": "one"}),
        "the public key as a shared secret": forged(issuer, {"alg": "HS256", "kid": "one"}, secret=public),
        "a published shared secret": forged(issuer, {"alg": "HS256", "kid": "oct"}, secret=b"s" * 32),
        "what must be understood": issuer.token(headers={"crit": ["exp"]}),
        "its key in the header": issuer.token(key=stranger, headers={"jku": "https://evil.example/keys"}),
        "cut off": good[:-8],
        "changed": good.replace(".", ".e30.", 1),
        "too long": "x" * 20_000,
        "no token": "abc", "nothing": "", "two dots": "..",
    }  # fmt: skip
    told = {name: status(client, token) for name, token in wrong.items()}
    assert told == dict.fromkeys(wrong, 401)
    assert status(client, good) == 200
    # Clocks differ by some seconds.
    assert status(client, issuer.token(iat=now - 310, exp=now - 10)) == 200
    assert status(client, issuer.token(iat=now + 10)) == 200
    # A key that is sent is the one that counts.
    assert status(client, good, **{"X-API-Key": "wrong"}) == 401
    assert client.get("/v1/features", headers={"Authorization": f"Basic {good}"}).status_code == 401


def test_a_token_that_names_no_scope_of_ours_may_do_nothing(client, issuer):
    for scope in (None, "", "openid profile", 7, {"score": True}, [["score"]]):
        assert status(client, issuer.token(scope=scope)) == 403


def test_scopes_are_translated_from_the_claim_that_the_settings_name(issuer):
    settings = Settings(
        model_path=None, pages=False, oidc_issuer=issuer.url, oidc_audience=AUDIENCE,
        oidc_scope_claim="realm_access.roles", oidc_scopes={"agents": ("score", "outcomes")},
    )  # fmt: skip
    with TestClient(create_app(settings)) as client:
        token = issuer.token(realm_access={"roles": ["agents", "admin"]})
        assert status(client, token) == 200
        assert status(client, token, "/v1/debtors/x") == 403
        assert status(client, issuer.token(scope="score")) == 403


def test_a_token_without_the_name_of_a_key_is_read_where_there_is_but_one(issuer, rsa_keys):
    """With a second key nobody knows which one is meant, whatever the order; the name that is told counts alone."""
    settings = Settings(model_path=None, oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
    issuer.keys = {"one": rsa_keys[0], "two": rsa_keys[1]}
    nameless = [jwt.encode(jwt.decode(issuer.token(name), options={"verify_signature": False}), key, "RS256")
                for name, key in issuer.keys.items()]  # fmt: skip
    published = issuer.documents()["/realm/keys"]["keys"]

    async def story():
        for some in ([0], [1], [0, 1], [1, 0]):
            answers = issuer.documents() | {"/realm/keys": {"keys": [published[at] for at in some]}}
            tokens = oidc.BearerTokens(settings, lambda url, told=answers: told[urlsplit(url).path])
            for at, token in enumerate(nameless):
                assert (await tokens.find(token) is not None) == (some == [at]), (some, at)
            for at, name in enumerate(issuer.keys):
                assert (await tokens.find(issuer.token(name)) is not None) == (at in some)

    own_loop.run(story)


def test_keys_turn_and_an_issuer_that_is_away_is_not_asked_all_the_time(issuer, rsa_keys, monkeypatch):
    settings = Settings(model_path=None, oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
    now = [1_000.0]
    monkeypatch.setattr(oidc.time, "monotonic", lambda: now[0])

    async def story():
        tokens = oidc.BearerTokens(settings)
        old = issuer.token()
        assert (await tokens.find(old)).scopes == {"score"}
        asked = issuer.asked
        issuer.keys = {"two": rsa_keys[1]}
        new = issuer.token("two")
        assert await tokens.find(new) is None  # asked a moment ago
        assert issuer.asked == asked
        now[0] += 21
        assert (await tokens.find(new)).scopes == {"score"}
        assert await tokens.find(old) is None  # what is no longer published signs nothing
        asked = issuer.asked
        for _ in range(20):
            now[0] += 0.5
            assert await tokens.find(issuer.token("two", headers={"kid": "invented"})) is None
        assert issuer.asked == asked
        issuer.is_down = True
        now[0] += 3_600
        assert (await tokens.find(new)).scopes == {"score"}  # known keys go on for a day
        now[0] += 90_000
        with pytest.raises(oidc.ServiceUnavailable):
            await tokens.find(new)

    own_loop.run(story)


def test_a_subject_is_in_no_name(issuer):
    settings = Settings(model_path=None, oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
    caller = own_loop.run(lambda: oidc.BearerTokens(settings).find(issuer.token()))
    assert caller.name.startswith("oidc:")
    assert "ana" not in caller.name


def test_settings_that_would_let_anybody_in_are_refused():
    for wrong in (
        {"oidc_issuer": "https://id.example"},
        {"oidc_issuer": "http://id.example", "oidc_audience": AUDIENCE},
        {"oidc_issuer": "https://id.example", "oidc_audience": AUDIENCE, "oidc_algorithms": ("HS256",)},
        {"oidc_issuer": "https://id.example", "oidc_audience": AUDIENCE, "oidc_algorithms": ()},
        {"oidc_issuer": "https://id.example", "oidc_audience": AUDIENCE, "oidc_scopes": {"x": ("all",)}},
    ):
        with pytest.raises(ValueError, match=r"oidc|https|AUDIENCE"):
            Settings(**wrong)
