"""Lists within a document of an ERP: what is none stops its document alone."""

from __future__ import annotations

from typing import Any

import pytest

from include.erp.json.lines import lists_of, rows_of

ODD = [5, "none", {"a": 1}, [5], [None], [[{}]], True]


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_list_of_rows_is_none(odd: Any) -> None:
    with pytest.raises(ValueError, match="no list of rows"):
        rows_of(odd)


def test_rows() -> None:
    assert (rows_of(None), rows_of([]), rows_of([{"a": 1}])) == ((), [], [{"a": 1}])


@pytest.mark.parametrize("odd", [5, "none", {"a": 1}, [{"a": 1}], [["L"]], True])
def test_what_is_no_list_of_values_names_its_field(odd: Any) -> None:
    lists, fault = lists_of({"cost_types": "types[].code", "other": "others"}, {"types[].code": odd, "others": ["x"]})
    assert lists == {"cost_types": (), "other": ("x",)}
    assert fault is not None and (fault.field, fault.reason) == ("cost_types", "is no list of values in the ERP's answer")


@pytest.mark.parametrize("nothing", [None, [], False])
def test_nothing_is_no_value(nothing: Any) -> None:
    assert lists_of({"cost_types": "c"}, {"c": nothing}) == ({"cost_types": ()}, None)


def test_a_value_counts_once() -> None:
    assert lists_of({"cost_types": "c"}, {"c": ["L", "M", "L"]}) == ({"cost_types": ("L", "M")}, None)
