"""The API's documentation: `/v1/openapi.json` from the schemas, and Swagger UI at `/v1/docs`, served by ourselves."""

from importlib.resources import files

from flask import Blueprint, Flask, Response, abort, jsonify

from webhook_app import problem_pages
from webhook_app.api.document import Document

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
<style>
  .swagger-ui { overflow-wrap: anywhere; }
  .swagger-ui table { max-width: 100%; }
  .swagger-ui .info td:nth-child(2), .swagger-ui .response-col_status { white-space: nowrap; }
  @media (max-width: 640px) {
    .swagger-ui .wrapper, .swagger-ui .info { padding: 0 8px; }
    .swagger-ui .info table { display: block; overflow-x: auto; }
    .swagger-ui .opblock .opblock-summary { flex-wrap: wrap; }
    .swagger-ui .opblock-summary-path { max-width: calc(100% - 100px); white-space: normal; }
    .swagger-ui .opblock-summary-description { flex-basis: 100%; padding: 4px 10px; }
    .swagger-ui .parameters-col_name, .swagger-ui .parameters-col_description { display: block; width: 100%; }
    .swagger-ui .responses-table .response-col_links { display: none; }
    .swagger-ui .responses-inner { padding: 20px 6px; }
    .swagger-ui .responses-table .response-controls { display: block; }
    .swagger-ui .responses-table .response-control-media-type { padding-right: 0; }
    .swagger-ui select.content-type {
      font-size: 13px; min-width: 0; padding: 5px 24px 5px 6px; background-position: right 2px center;
    }
    .swagger-ui .filter .operation-filter-input { width: 100%; }
  }
</style>
<div id="docs"></div>
<script src="/v1/docs/swagger-ui-bundle.js"></script>
<script src="/v1/docs/start.js"></script>
"""
# The search finds calls by any word of theirs. Swagger UI itself looks at the names of the subjects only.
_START = """
const wordsOf = (call) => {
  const told = call.get("operation");
  return [call.get("method"), call.get("path"), told.get("operationId"), told.get("summary"), told.get("description")]
    .join(" ").toLowerCase();
};
const opsFilter = (subjects, phrase) => {
  const words = phrase.toLowerCase().split(/\\s+/).filter(Boolean);
  return subjects
    .map((subject) => subject.update("operations", (calls) =>
      calls.filter((call) => words.every((word) => wordsOf(call).includes(word)))))
    .filter((subject) => subject.get("operations").size > 0);
};
SwaggerUIBundle({
  url: "/v1/openapi.json", dom_id: "#docs", deepLinking: true, persistAuthorization: false, validatorUrl: null,
  filter: true, docExpansion: "list", defaultModelsExpandDepth: 0, plugins: [() => ({ fn: { opsFilter } })],
});
"""
# Swagger UI sets inline styles and data pictures. Nothing comes from another host.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)


def register(app: Flask, document: Document) -> None:
    """Serve *document*."""
    app.register_blueprint(blueprint)

    @app.get("/v1/openapi.json")
    def openapi() -> Response:
        return jsonify(document.made())


@blueprint.get("/v1/docs")
def page() -> Response:
    """Show the documentation."""
    return Response(_PAGE, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/v1/docs/errors")
def errors() -> Response:
    """Show what each code of a problem means and what to do. A problem's `type` leads here."""
    return Response(problem_pages.as_html(), mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/v1/docs/<name>")
def file(name: str) -> Response:
    """Serve one of the page's files."""
    if name == "start.js":
        return Response(_START, mimetype="text/javascript")
    if name not in _SERVED:
        abort(404)
    with (_FILES / name).open("rb") as content:
        return Response(content.read(), mimetype=_SERVED[name], headers={"Cache-Control": "public, max-age=86400"})
