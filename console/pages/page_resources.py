"""The resources of the app that handles the present request."""

from typing import cast

from flask import Flask, current_app

from pluggy_sync.resources import Resources

_KEY = "pluggy_sync_resources"


def keep(app: Flask, resources: Resources) -> None:
    """Give *app* its resources."""
    app.extensions[_KEY] = resources


def kept(app: Flask) -> Resources:
    """Return the resources of *app*."""
    return cast(Resources, app.extensions[_KEY])


def resources() -> Resources:
    """Return the resources of the present app."""
    return kept(current_app)
