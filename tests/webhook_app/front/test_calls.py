"""Calling the app: what has a length is read at once, and what has none part by part."""

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

from webhook_app.front.calls import Parts, call, environ_of

SCOPE = {
    "method": "POST",
    "raw_path": b"/a%2Fb%C3%A9%ff",
    "query_string": b"x=%C3%A9",
    "http_version": "1.1",
    "server": ("127.0.0.1", "8000"),
    "client": ("10.0.0.1", "5"),
    "scheme": "http",
    "headers": [
        (b"content-type", b"text/plain"),
        (b"content-length", b"999"),
        (b"transfer-encoding", b"chunked"),
        (b"x-a", b"one"),
        (b"x-a", b"s\xc3\xaanha"),
    ],
}


def test_a_request_becomes_what_wsgi_expects():
    environ = environ_of(SCOPE, b"body", None)

    assert environ["PATH_INFO"].encode("latin-1") == b"/a/b\xc3\xa9\xff"
    assert environ["QUERY_STRING"] == "x=%C3%A9"
    assert environ["CONTENT_LENGTH"] == "4"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["HTTP_X_A"].encode("latin-1") == b"one,s\xc3\xaanha"
    assert environ["REMOTE_ADDR"] == "10.0.0.1"
    assert environ["wsgi.input"].read() == b"body"
    assert "HTTP_TRANSFER_ENCODING" not in environ


class Body:
    def __init__(self, *parts):
        self._parts = iter(parts)
        self.closed = False

    def __iter__(self):
        return self._parts

    def close(self):
        self.closed = True


def app_with(body, *headers):
    def app(_environ, start_response):
        start_response("200 OK", list(headers))
        return body

    return app


def test_an_answer_with_a_length_is_read_and_closed():
    body = Body(b"one", b"two")

    answer = call(app_with(body, ("Content-Length", "6")), {})

    assert (answer.status, answer.body, answer.parts) == (200, b"onetwo", None)
    assert body.closed


def test_an_answer_without_one_is_a_stream_that_is_read_in_any_thread_but_in_one_context():
    name = contextvars.ContextVar("name", default="nobody")
    context = contextvars.copy_context()
    context.run(name.set, "somebody")
    body = Body()
    body._parts = (f"{name.get()} in {threading.get_ident()}".encode() for _ in range(3))

    answer = call(app_with(body), {})
    parts = Parts(answer.parts, context)
    read = []
    for _ in range(4):
        with ThreadPoolExecutor(1) as pool:
            read.append(pool.submit(parts.next).result())
    parts.close()

    assert [each.split()[0] for each in read[:3]] == [b"somebody"] * 3
    assert read[3] is None
    assert body.closed
