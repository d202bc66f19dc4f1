"""`/`: says what answers here, to anybody who opens the address in a browser. It needs neither Postgres nor Redis."""

from flask import Blueprint, Response

blueprint = Blueprint("front_page", __name__)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>pluggy-sync</title>
<link rel="icon" href="data:,">
</head>
<body>
<main>
<h1>pluggy-sync</h1>
<p>This service keeps bank accounts that are connected through Pluggy up to date.</p>
<ul>
<li><a href="/v1/docs">/v1</a>: the API for the company's product, and its documentation. It needs a token.</li>
<li>/pluggy: Pluggy's own reads, answered from here. It needs a token.</li>
<li>/webhooks/pluggy: takes Pluggy's webhooks.</li>
<li>/act/&hellip;: where a bank customer gives a code, a new password or a consent. It needs a link of theirs.</li>
<li><a href="/health">/health</a> and <a href="/ready">/ready</a>: whether it runs, and whether it can work.</li>
</ul>
<p lang="pt-BR">Recebeu um link para atualizar sua conta? Abra o link completo que você recebeu.</p>
</main>
</body>
</html>
"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


@blueprint.get("/")
def front_page() -> Response:
    """Answer with the page, the same for everybody."""
    return Response(_PAGE, mimetype="text/html", headers=_HEADERS)
