"""What pages for people have in common, whichever service shows them: the style sheet and the rules for browsers.

No word of the business, and no page.
"""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from flask import Flask, Response, request

STATIC = Path(__file__).parent / "static"
#: How long a browser may keep what is asked for with its version, in seconds: a year, the most that caches heed.
KEPT_SECONDS = 31_536_000
#: Only what comes from here, and nothing inline: markup that got into a page would find no script to run.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)


def mount_static(app: Flask, prefix: str, folder: Path = STATIC, *, endpoint: str = "static_file") -> None:
    """Serve the files of a folder below `prefix`; `<address>?v=<version>` may be kept for ever."""
    files = {path.name: _File(path) for path in sorted(folder.iterdir()) if path.is_file()}

    def serve(name: str) -> Response:
        found = files.get(name)
        if found is None:
            return Response(status=404)
        response = Response(found.content, content_type=found.content_type)
        response.set_etag(found.version)
        kept = f"public, max-age={KEPT_SECONDS}, immutable" if request.args.get("v") == found.version else "no-cache"
        response.headers["Cache-Control"] = kept
        response.make_conditional(request)
        return response

    app.add_url_rule(f"{prefix}/<name>", endpoint, serve)

    def address(name: str) -> str:
        return f"{prefix}/{name}?v={files[name].version}"

    # Templates of any folder find what they name: the later one is asked first.
    earlier = app.jinja_env.globals.get("static")
    app.jinja_env.globals["static"] = lambda name: address(name) if name in files else earlier(name)  # type: ignore[operator]


class _File:
    """A file as it is sent: read once, at the start."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.content_type = f"{kind}; charset=utf-8" if kind.startswith(("text/", "application/javascript")) else kind
        self.version = hashlib.sha256(self.content).hexdigest()[:12]
