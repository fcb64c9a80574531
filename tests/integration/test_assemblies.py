"""What every service's web application answers before any business: health, documents, strangers; on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.runtime.assembly import Assembly
from tests.deployment.addresses import SERVICES
from tests.fixtures.assemblies import Client, MakeAssembly

MakeClient = Callable[[Assembly], Client]

#: OAuth has refusals of its own for programs (RFC 6749, 5.2), and for people it shows a page.
OWN_REFUSALS = ("/oauth/token", "/oauth/revoke", "/oauth/authorize")


@pytest.mark.parametrize("service", SERVICES)
def test_a_migrated_service_is_ready(service: str, make_assembly: MakeAssembly, client: MakeClient) -> None:
    http = client(make_assembly(service))

    assert http.get("/health/live").status_code == 200
    assert http.get("/health/ready").status_code == 200
    assert b"lianmeng" in http.get("/metrics").data


@pytest.mark.parametrize("service", SERVICES)
def test_no_route_of_the_document_answers_a_stranger_with_a_server_error(
    service: str, make_assembly: MakeAssembly, client: MakeClient
) -> None:
    http = client(make_assembly(service))
    document = http.get(f"/api/{service}/openapi.json").json
    assert document is not None
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            whole = path.replace("{", "").replace("}", "")
            answer = http.request(method.upper(), whole, json={} if method != "get" else None)
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"
            if answer.status_code >= 400 and not path.endswith(OWN_REFUSALS):
                assert answer.content_type == "application/problem+json", f"{method} {path}"
