"""A person with a link of ours, in a browser without script, and what brings one there."""

import re
from html import unescape

from flask.testing import FlaskClient

from pluggy_sync.store.tables import user_actions
from tests.kit.service import Service


class Person:
    """A person with a link, in a browser without script."""

    def __init__(self, service: Service, path: str, headers: dict[str, str] | None = None) -> None:
        self._web: FlaskClient = service.web
        self.path = path
        self._headers = headers or {}

    def open(self) -> str:
        response = self._web.get(self.path, headers=self._headers, follow_redirects=True)
        assert response.status_code == 200, response.get_data(as_text=True)
        self.path = response.request.path
        return response.get_data(as_text=True)

    def screen(self) -> str:
        found = re.search(r'data-screen="([a-z_]+)"', self.open())
        assert found
        return found[1]

    def give(self, value: str, status: int = 303) -> str:
        return self.post({"do": "mfa", "value": value}, status)

    def start(self, status: int = 303) -> str:
        return self.post({"do": "restart"}, status)

    def post(self, form: dict[str, str], status: int) -> str:
        response = self._web.post(self.path, data=form, headers=self._headers)
        assert response.status_code == status, response.get_data(as_text=True)
        return unescape(response.get_data(as_text=True))


def a_person(service: Service, headers: dict[str, str] | None = None) -> Person:
    action = service.actions()[-1]
    return Person(service, f"/act/{service.res.links.token(action.id)}", headers)


def connect(service: Service, user: str = "user-ok", connector: int = 2) -> str:
    item_id = service.upstream.connect(user, connector=connector)
    service.catch_up()
    return item_id


def now_and_then(service: Service) -> None:
    """Deliver and work, without moving the clock."""
    service.deliver(*service.upstream.take_events())
    service.work()


def change_action(service: Service, **columns):
    with service.res.database.begin() as conn:
        conn.execute(user_actions.update().values(**columns))
