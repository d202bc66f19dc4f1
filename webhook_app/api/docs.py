"""The API's documentation: `/v1/openapi.json` from the schemas, and Swagger UI at `/v1/docs`, served by ourselves."""

from importlib.resources import files

from flask import Blueprint, Flask, Response, abort, jsonify
from flask_smorest import Api

from webhook_app import problems

blueprint = Blueprint("docs", __name__)

_FILES = files("flask_swagger_ui") / "dist"
_SERVED = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pluggy-sync API</title>
<link rel="icon" href="/v1/docs/favicon-32x32.png">
<link rel="stylesheet" href="/v1/docs/swagger-ui.css">
<div id="docs"></div>
<script src="/v1/docs/swagger-ui-bundle.js"></script>
<script src="/v1/docs/start.js"></script>
"""
_START = """SwaggerUIBundle({
  url: "/v1/openapi.json", dom_id: "#docs", deepLinking: true, persistAuthorization: false, validatorUrl: null,
});
"""
# Swagger UI sets inline styles and data pictures. Nothing comes from another host.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)

SETTINGS = {
    "API_TITLE": "pluggy-sync",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    # flask-smorest makes only the document. The address is ours.
    "API_SPEC_OPTIONS": {
        "info": {
            "description": (
                "A correct, current copy of every account connected through Pluggy, and what persons must do for it. "
                "Lists give `next`, to be sent back as `after`. Errors are RFC 9457 problems with a stable `code`.\n\n"
                + problems.as_markdown()
            )
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    },
}


def register(app: Flask, api: Api) -> None:
    """Serve the documentation of *api*."""
    app.register_blueprint(blueprint)

    @app.get("/v1/openapi.json")
    def openapi() -> Response:
        return jsonify(api.spec.to_dict())


@blueprint.get("/v1/docs")
def page() -> Response:
    """Show the documentation."""
    return Response(_PAGE, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/v1/docs/<name>")
def file(name: str) -> Response:
    """Serve one of the page's files."""
    if name == "start.js":
        return Response(_START, mimetype="text/javascript")
    if name not in _SERVED:
        abort(404)
    with (_FILES / name).open("rb") as content:
        return Response(content.read(), mimetype=_SERVED[name], headers={"Cache-Control": "public, max-age=86400"})
