"""The sandbox as its users see it: Pluggy's API as the product calls it, and the controls of its bank."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from pluggy_sync import wire


class SandboxRefusedError(Exception):
    """The sandbox answered with an error; the text has the call, the status and the body."""


class Sandbox:
    """Calls a running sandbox. Answers are decoded JSON, amounts exact."""

    def __init__(self, url: str, *, client_id: str, client_secret: str) -> None:
        self.url = url
        self._credentials = {"clientId": client_id, "clientSecret": client_secret}
        self._http = httpx.Client(base_url=url, timeout=60)
        self._api_key: str | None = None

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def register_webhook(self, target: str, *, secret_header: str, secret: str) -> None:
        """
        Have all events sent to *target* with *secret*.

        The sandbox keeps what an earlier start registered: another secret is replaced, another port given up.
        """
        headers = {secret_header: secret}
        path = urlsplit(target).path
        ours = [webhook for webhook in self.api("GET", "/webhooks")["results"] if urlsplit(webhook["url"]).path == path]
        for webhook in ours:
            if webhook["url"] == target:
                self.api("PATCH", f"/webhooks/{webhook['id']}", {"headers": headers})
            else:
                self.api("DELETE", f"/webhooks/{webhook['id']}")
        if all(webhook["url"] != target for webhook in ours):
            self.api("POST", "/webhooks", {"url": target, "event": "all", "headers": headers})

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call Pluggy's API, as a product with its own key would."""
        if self._api_key is None:
            self._api_key = self._call("POST", "/auth", self._credentials)["apiKey"]
        return self._call(method, path, body, headers={"X-API-KEY": self._api_key})

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the sandbox's own controls; *path* is below /_sandbox."""
        return self._call(method, f"/_sandbox{path}", body)

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            return self._http.get("/_sandbox/clock").is_success
        except httpx.TransportError:
            return False

    def _call(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> Any:
        response = self._http.request(method, path, json=body, headers=headers)
        if response.is_error:
            raise SandboxRefusedError(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return wire.decode(response.content) if response.content else None
