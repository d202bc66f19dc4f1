"""Fields and schemas that the subjects share: instants, money, and objects that come from Pluggy."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import validate

from pluggy_sync import item_ids, wire
from webhook_app.api import pluggy_objects


class Instant(ma.fields.Field[datetime]):
    """A moment in UTC with milliseconds and Z. What Pluggy wrote in this form stays as it is."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return wire.to_text(value) if isinstance(value, datetime) else pluggy_objects.instant_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            moment = wire.instant(value)
        except (ValueError, TypeError):
            moment = None
        if moment is None:
            raise ma.ValidationError("Not an ISO 8601 instant.")
        return moment


class ItemId(ma.fields.Str):
    """The id of an Item: a UUID. Capitals are taken and lowered."""

    def __init__(self, **more: Any) -> None:
        super().__init__(metadata={"format": "uuid"}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return item_ids.read(super()._deserialize(value, attr, data, **kwargs))
        except item_ids.NotAnItemIdError as exc:
            raise ma.ValidationError(str(exc)) from None


class Cursor(ma.fields.Str):
    """A cursor, as it was given. `paging` reads it, and refuses what is none of the list's with a code of its own."""


class Money(ma.fields.Field[Decimal]):
    """An exact number."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return pluggy_objects.fitted(value, {"type": "number"})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Decimal(value)
        raise ma.ValidationError("Not a number.")


class Described(ma.fields.Field[Any]):
    """A value of Pluggy's, described in `pluggy_objects.COMPONENTS`."""

    def __init__(self, component: str, **more: Any) -> None:
        super().__init__(metadata={"allOf": [pluggy_objects.component(component)]}, **more)
        self._component = component

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return pluggy_objects.fitted(value, pluggy_objects.component(self._component))


class PluggyObject(ma.Schema):
    """An object as Pluggy sent it, plus what is declared here, which wins. `PLUGGYS`: fields of Pluggy's, described."""

    PLUGGYS: ClassVar[Mapping[str, pluggy_objects.Schema]] = {}

    class Meta:
        unknown = ma.INCLUDE

    @ma.post_dump(pass_original=True)
    def _keep_the_rest(self, data: dict[str, Any], original: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        whole = {**original, **data}
        pluggy_objects.fit(whole, self.PLUGGYS)
        return whole


class Query(ma.Schema):
    """Query parameters; unknown ones are refused."""


class PageQuery(Query):
    """What every list takes."""

    after = Cursor(
        load_default=None,
        metadata={"description": "`next` of the page before; absent for the first page"},
    )
    limit = ma.fields.Int(
        load_default=100,
        validate=validate.Range(min=1, max=500),
        metadata={"description": "Rows in a page, 1 to 500"},
    )


def page_of(row: type[ma.Schema], name: str) -> type[ma.Schema]:
    """Return the schema of a page of *row*, for a list called *name*."""
    return ma.Schema.from_dict(
        {
            "results": ma.fields.List(ma.fields.Nested(row), required=True),
            "next": ma.fields.Str(
                required=True,
                allow_none=True,
                metadata={"description": "Cursor of the next page; null when this is the last"},
            ),
        },
        name=name,
    )
