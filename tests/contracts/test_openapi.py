"""The documents that other programs are built from: valid, complete, and the same on every start."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.runtime.assembly import assemble, load_service
from shared.runtime.settings import Settings
from shared.web.app_factory import create_app
from tests.deployment.addresses import SERVICES

METHODS = {"get", "post", "put", "patch", "delete"}


def document_of(service: str) -> dict[str, Any]:
    """The service's OpenAPI document; needs no database."""
    settings = Settings(service=service, profile="test", database_url="sqlite:///:memory:")
    assembly = assemble(load_service(service), settings)
    answer = create_app(assembly).test_client().get(f"/api/{service}/openapi.json")
    assembly.close()
    document: dict[str, Any] | None = answer.json
    assert document is not None
    return document


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every operation as `METHOD path` and its object."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_the_document_is_valid_openapi_3_1(service: str) -> None:
    document = document_of(service)

    assert document["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_document_is_the_same_on_every_start(service: str) -> None:
    assert document_of(service) == document_of(service)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_has_a_success_and_says_how_it_refuses(service: str) -> None:
    document = document_of(service)
    found = operations(document)
    assert found

    for name, operation in found:
        statuses = set(operation["responses"])
        # Where a person is sent back to an application, the redirect is the success.
        assert any(status.startswith(("2", "3")) for status in statuses), name
        refusals = {status for status in statuses if status.startswith("4") or status == "default"}
        assert refusals, f"{name} documents no refusal"


@pytest.mark.parametrize("service", SERVICES)
def test_every_post_with_a_body_describes_it(service: str) -> None:
    for name, operation in operations(document_of(service)):
        body = operation.get("requestBody")
        if body is not None:
            for media_type, content in body["content"].items():
                assert content.get("schema"), f"{name}: {media_type} has no schema"
