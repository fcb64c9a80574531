"""Gates on real routes: who gets in, what is told to whom does not, and that no route can be without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flask_smorest
import pytest
import structlog
from flask.views import MethodView
from structlog.testing import capture_logs

from shared.runtime.assembly import assemble
from shared.runtime.clock import ManualClock
from shared.runtime.service import Service
from shared.runtime.settings import Settings
from shared.security.rate_limits import RateLimits
from shared.web.access import access
from shared.web.app_factory import create_app
from shared.web.blueprint import Blueprint
from shared.web.idempotency import idempotent
from tests.builders.toy import NOTES, START, Signer, Toy, metadata, toy_on


def get(toy: Toy, path: str, *, token: str | None = None, **claims: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else toy.headers(**claims)
    return toy.app.test_client().get(path, headers=headers)


def test_without_a_token_a_guarded_route_asks_for_one(toy: Toy) -> None:
    response = get(toy, NOTES)

    assert response.status_code == 401
    assert json.loads(response.data)["code"] == "access.token_missing"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="lianmeng"'


def test_all_bad_tokens_get_the_same_answer_and_the_log_says_why(toy: Toy, clock: ManualClock) -> None:
    # given tokens that are bad in different ways
    bad = {
        "not a compact JWS": "x",
        "expired": toy.signer.token(exp=int(START.timestamp()) - 100),
        "wrong audience": toy.signer.token(aud="other"),
        "unknown key id": toy.signer.token(kid="key-9"),
        "signature: BadSignatureError": Signer(clock, seed=5).token(),
    }

    # when they are sent
    answers, reasons = set(), []
    for token in bad.values():
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            response = get(toy, NOTES, token=token)
        body = {name: value for name, value in json.loads(response.data).items() if name != "request_id"}
        answers.add((response.status_code, json.dumps(body), response.headers["WWW-Authenticate"]))
        reasons += [line["reason"] for line in lines if line["event"] == "access.token_refused"]
        assert token not in repr(lines)

    # then
    assert len(answers) == 1
    assert next(iter(answers))[0] == 401
    assert 'error="invalid_token"' in next(iter(answers))[2]
    assert reasons == list(bad)


def test_a_bad_token_is_refused_on_a_public_route_too(toy: Toy) -> None:
    assert get(toy, f"{NOTES}/me").status_code == 200
    assert get(toy, f"{NOTES}/me", token="x").status_code == 401


def test_another_scheme_is_no_token_but_leaves_public_routes_open(toy: Toy) -> None:
    headers = {"Authorization": "Basic YTpi"}

    assert toy.app.test_client().get(f"{NOTES}/me", headers=headers).get_json()["kind"] == "anonymous"
    assert toy.app.test_client().get(NOTES, headers=headers).status_code == 401


def test_the_view_learns_who_calls(toy: Toy) -> None:
    person = get(toy, f"{NOTES}/me", roles=["committee"], unit="member-1", scope="notes:read").get_json()
    platform = get(toy, f"{NOTES}/me", kind="platform", sub="client-1", scope="notes:read x").get_json()

    assert person == {
        "subject": "account-1", "kind": "person", "roles": ["committee"], "scopes": [], "unit_id": "member-1", "service": "toy",
    }  # fmt: skip
    # roles are for people and scopes for platforms, whatever else a token says
    assert platform["roles"] == []
    assert platform["scopes"] == ["notes:read", "x"]


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"roles": ["secretariat"]}, 404),
        ({"roles": ["treasurer"]}, 403),
        ({"roles": []}, 403),
        ({"kind": "platform", "scope": "notes:read"}, 404),
        ({"kind": "platform", "scope": "notes:write"}, 403),
        ({"kind": "platform", "scope": ""}, 403),
    ],
)
def test_a_role_or_a_scope_opens_the_door(toy: Toy, claims: dict[str, Any], status: int) -> None:
    assert get(toy, f"{NOTES}/nothing", **claims).status_code == status


def test_the_gate_comes_before_the_body_is_looked_at(toy: Toy) -> None:
    headers = {**toy.headers(kind="platform", scope="x"), "Idempotency-Key": "k"}

    response = toy.app.test_client().post(NOTES, data=b"{", content_type="application/json", headers=headers)

    assert response.status_code == 403


def test_head_asks_for_the_same_right_as_get(toy: Toy) -> None:
    assert toy.app.test_client().head(NOTES).status_code == 401
    assert toy.app.test_client().head(NOTES + "?limit=1", headers=toy.headers(sub="a")).status_code == 200


def test_a_blueprint_may_be_mounted_outside_the_version(toy: Toy) -> None:
    assert get(toy, "/api/toy/.well-known/about").get_json() == {"about": "toy"}


# ---------------------------------------------------------------- what stops the start


def app_of(tmp_path: Path, *blueprints: Any) -> None:
    service = Service(
        name="toy",
        title="Toy",
        root=tmp_path,
        metadata=metadata,
        publishes={},
        consumes={},
        reactions={},
        blueprints=blueprints,
    )
    settings = Settings(service="toy", profile="test", database_url=f"sqlite:///{tmp_path / 'x.sqlite'}")
    create_app(assemble(service, settings, clock=ManualClock(START)))


def test_a_view_without_access_stops_the_start(tmp_path: Path) -> None:
    blueprint = Blueprint("open", __name__, url_prefix="/open")

    @blueprint.route("")
    class Open(MethodView):
        @access(public=True)
        def get(self) -> Any:
            return {}

        def post(self) -> Any:
            return {}

    with pytest.raises(TypeError, match=r"POST open\.Open"):
        app_of(tmp_path, blueprint)


def test_access_that_is_not_outermost_stops_the_start(tmp_path: Path) -> None:
    blueprint = Blueprint("late", __name__, url_prefix="/late")

    @blueprint.route("")
    class Late(MethodView):
        @idempotent
        @access(public=True)
        def post(self) -> Any:
            return {}

    with pytest.raises(TypeError, match="outermost"):
        app_of(tmp_path, blueprint)


def test_a_foreign_blueprint_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="strictly"):
        app_of(tmp_path, flask_smorest.Blueprint("foreign", __name__))


# ---------------------------------------------------------------- rate limits


def test_a_caller_who_writes_too_often_is_told_when_to_come_back(tmp_path: Path, clock: ManualClock) -> None:
    with toy_on(f"sqlite:///{tmp_path / 't.sqlite'}", tmp_path, clock=clock, limits=RateLimits(clock)) as toy:

        def write(key: str, **claims: Any) -> Any:
            return toy.app.test_client().post(NOTES, json={"text": "a"}, headers=toy.headers(key, **claims))

        assert [write(f"k{n}").status_code for n in range(4)] == [201, 201, 201, 429]
        refused = write("k5")
        assert refused.headers["Retry-After"] == "1"
        assert json.loads(refused.data)["code"] == "request.too_many"
        # another caller is not held up by this one, wherever it calls from
        assert write("k6", sub="account-2").status_code == 201
        clock.advance(1)
        assert write("k7").status_code == 201


@pytest.mark.parametrize(("proxies", "addresses"), [(0, {"127.0.0.1"}), (1, {"10.0.0.2"}), (2, {"10.0.0.1"})])
def test_only_our_own_proxies_are_believed_about_addresses(
    tmp_path: Path, clock: ManualClock, proxies: int, addresses: set[str]
) -> None:
    # given an application behind so many proxies
    seen: set[str] = set()
    blueprint = Blueprint("who", __name__, url_prefix="/who")

    @blueprint.route("")
    class Who(MethodView):
        @access(public=True)
        def get(self) -> Any:
            from flask import request

            seen.add(str(request.remote_addr))
            return {}

    service = Service("toy", "Toy", tmp_path, metadata, {}, {}, {}, [blueprint])
    url = f"sqlite:///{tmp_path / 'x.sqlite'}"
    settings = Settings(service="toy", profile="test", database_url=url, trusted_proxies=proxies)
    app = create_app(assemble(service, settings, clock=clock))

    # when a client forges the beginning of the chain
    app.test_client().get("/api/toy/v1/who", headers={"X-Forwarded-For": "6.6.6.6, 10.0.0.1, 10.0.0.2"})

    # then only what our proxies added counts
    assert seen == addresses


# ---------------------------------------------------------------- the access log


def test_each_request_is_logged_in_one_line_without_secrets(toy: Toy) -> None:
    token = toy.signer.token()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        toy.app.test_client().get(
            f"{NOTES}/some-id", headers={"Authorization": f"Bearer {token}", "X-Request-ID": "req-1"}
        )

    (line,) = [each for each in lines if each["event"] == "http.request"]
    assert line["route"] == f"{NOTES}/<string:note_id>"
    assert (line["method"], line["status"], line["code"]) == ("GET", 404, "note.not_found")
    assert (line["caller"], line["request_id"], line["service"]) == ("account-1", "req-1", "toy")
    assert token not in repr(lines)
    assert "some-id" not in repr(line)


def test_the_story_begins_with_a_fresh_correlation_id_and_the_callers_trace(toy: Toy) -> None:
    from shared.web.context import current_work

    causes = []
    toy.hooks.after_insert = lambda: causes.append(current_work().cause)
    good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for number, trace in enumerate([good, "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "nonsense", ""]):
        headers = {**toy.headers(f"k{number}"), "traceparent": trace}
        assert toy.app.test_client().post(NOTES, json={"text": "a"}, headers=headers).status_code == 201

    assert [cause.traceparent for cause in causes] == [good, None, None, None]
    assert len({cause.correlation_id for cause in causes}) == 4
    assert {cause.causation_id for cause in causes} == {None}
