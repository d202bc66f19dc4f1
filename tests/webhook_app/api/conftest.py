"""The product's side of a scenario: calls of `/v1` with a valid token."""

import pytest
from flask.testing import FlaskClient

from tests.webhook_app.product import Product


@pytest.fixture
def product(web: FlaskClient) -> Product:
    """A product that holds a valid token."""
    return Product(web)
