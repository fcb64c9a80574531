"""The OpenAPI document is valid and complete; the page to try it out needs nobody else's server."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from shared.web.documents import as_openapi_3_0
from tests.builders.toy import NOTES, Toy


def document_of(toy: Toy, path: str = "/api/toy/openapi.json") -> dict[str, Any]:
    response = toy.app.test_client().get(path)
    assert response.status_code == 200
    found: dict[str, Any] = json.loads(response.data)
    return found


def test_the_document_is_valid_openapi_3_1(toy: Toy) -> None:
    document = document_of(toy)

    assert document["openapi"] == "3.1.0"
    validate(document)


def test_the_page_gets_a_valid_openapi_3_0_document_of_the_same_routes(toy: Toy) -> None:
    older = document_of(toy, "/api/toy/docs/openapi-3.0.json")

    assert older["openapi"] == "3.0.3"
    validate(older)
    assert set(older["paths"]) == set(document_of(toy)["paths"])


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["integer"]}, {"type": "integer", "nullable": False}),
        ({"type": "string"}, {"type": "string"}),
        ({"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}, {"anyOf": [{"$ref": "#/x"}], "nullable": True}),
        ({"enum": ["a", None]}, {"enum": ["a", None], "nullable": True}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 9, "minimum": 1}, {"maximum": 9, "exclusiveMaximum": True, "minimum": 1}),
    ],
)
def test_what_3_1_writes_otherwise_is_written_in_the_older_way(newer: dict[str, Any], older: dict[str, Any]) -> None:
    document = {"components": [{"schema": newer}]}

    assert as_openapi_3_0(document) == {"openapi": "3.0.3", "components": [{"schema": older}]}
    assert document == {"components": [{"schema": newer}]}


def test_every_route_of_the_application_is_in_the_document(toy: Toy) -> None:
    documented = {
        (re.sub(r"\{(\w+)\}", "<>", path), method.upper())
        for path, operations in document_of(toy)["paths"].items()
        for method in operations
        if method != "parameters"
    }
    routed = {
        (re.sub(r"<[^>]+>", "<>", rule.rule), method)
        for rule in toy.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if "." in rule.endpoint
    }

    assert documented == routed
    assert routed


def test_an_operation_says_who_may_call_it_and_which_headers_it_takes(toy: Toy) -> None:
    paths = document_of(toy)["paths"]

    write = paths[NOTES]["post"]
    names = [each.get("$ref", "").rpartition("/")[2] for each in write["parameters"]]
    assert sorted(names) == ["ACCEPT_LANGUAGE", "IDEMPOTENCY_KEY"]
    assert write["security"] == [{}, {"bearer": []}]
    assert write["x-access"] == {"public": True, "signed_in": False, "roles": [], "scopes": ["notes:write"]}
    assert {"201", "400", "401", "403", "422", "429", "default"} <= set(write["responses"])
    assert paths[f"{NOTES}/{{note_id}}"]["get"]["security"] == [{"bearer": []}]
    assert paths[f"{NOTES}/me"]["get"]["security"] == [{}]


def test_refusals_are_documented_as_problems(toy: Toy) -> None:
    document = document_of(toy)

    for name, response in document["components"]["responses"].items():
        (media_type,) = response["content"]
        assert media_type == "application/problem+json", name
    assert set(document["components"]["schemas"]["Problem"]["required"]) == {
        "type", "title", "status", "detail", "code", "request_id",
    }  # fmt: skip


def test_the_page_and_all_it_loads_come_from_here(toy: Toy) -> None:
    client = toy.app.test_client()
    page = client.get("/api/toy/docs")

    assert page.mimetype == "text/html"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.get_data(as_text=True))
    assert len(loaded) == 4
    for address in loaded:
        assert "//" not in address
        assert client.get(f"/api/toy/{address}").status_code == 200
    assert "http" not in client.get("/api/toy/docs/start.js").get_data(as_text=True)


def test_the_pages_policy_lets_no_other_host_in(toy: Toy) -> None:
    policy = toy.app.test_client().get("/api/toy/docs").headers["Content-Security-Policy"]

    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["connect-src"] == "'self'"
    assert "http" not in policy


@pytest.mark.parametrize("name", ["index.html", "..%2f__init__.py", "swagger-ui.js.map", "", "oauth2-redirect.html"])
def test_nothing_else_of_the_package_is_served(toy: Toy, name: str) -> None:
    assert toy.app.test_client().get(f"/api/toy/docs/{name}").status_code == 404
