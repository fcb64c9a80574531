"""Adds to what flask-smorest will write about a view. Documents only; changes no behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any


def amend(
    view: Callable[..., Any],
    *,
    parameters: Sequence[str] = (),
    responses: Mapping[str, str] | None = None,
    **operation: Any,
) -> None:
    """Give `view` further parameters and responses (names of components) and attributes of its operation.

    Decorators share the attribute through functools.wraps, so it is copied before it is changed.
    """
    doc: dict[str, Any] = deepcopy(getattr(view, "_apidoc", {}))
    if parameters:
        arguments = doc.setdefault("arguments", {})
        arguments["parameters"] = [*arguments.get("parameters", []), *parameters]
    manual = doc.setdefault("manual_doc", {})
    # What the view says itself is more exact than what a decorator says of all views.
    manual["responses"] = {**(responses or {}), **manual.get("responses", {})}
    manual.update(operation)
    view._apidoc = doc  # type: ignore[attr-defined]  # noqa: SLF001 - where flask-smorest keeps it
