"""The argument ITEM of the commands: the id of an Item. Capitals are taken and lowered."""

from typing import Any

import click

from pluggy_sync import item_ids


class ItemId(click.ParamType[str]):
    """A UUID; anything else is refused before anything is done."""

    name = "item"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id in lower case."""
        try:
            return item_ids.read(str(value))
        except item_ids.NotAnItemIdError as exc:
            self.fail(str(exc), param, ctx)


ITEM = ItemId()
