"""Ids of Items: capitals are lowered, anything else is none."""

import pytest

from pluggy_sync import item_ids

ID = "9f372aeb-a134-40ed-96e0-16db8d4df9b4"


@pytest.mark.parametrize("text", [ID, ID.upper(), ID.title()])
def test_an_id_is_read_in_any_case(text):
    assert item_ids.read(text) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "item-1",
        ID[:-1],
        ID + "0",
        ID + "\n",
        " " + ID,
        ID.replace("-", ""),
        "{" + ID + "}",
        ID.replace("9", "g", 1),
        # A digit of another script, and one in full width.
        ID.replace("9", "\u0669", 1),
        ID.replace("9", "\uff19", 1),
        "../" + ID,
        ID + "?x=1",
    ],
)
def test_anything_else_names_no_item(text):
    with pytest.raises(item_ids.NotAnItemIdError) as refused:
        item_ids.read(text)

    assert text == "" or text.strip() not in str(refused.value)
