"""Keys for Tryton's REST interface, as a user makes one for an application of his."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit, urlunsplit

from include.erp.jsonrpc.tryton import Tryton
from include.erp.jsonrpc.wire import Address, Wire


def rest_address(address: str) -> str:
    """The address for the mapping ``tryton_rest``: a new key in the place of the user's password."""
    with closing(Tryton(Wire(Address.of(address)))) as api:
        (user,) = api.search("res.user", [["login", "=", api.wire.address.login]], ("id",))
        number = api.create("res.user.application", {"application": "rest", "user": user["id"]})
        (made,) = api.search("res.user.application", [["id", "=", number]], ("key", "state"))
    assert made["state"] == "validated", "a user's own application needs nobody else's consent"
    found = urlsplit(address)
    login = f"{api.wire.address.login}:{made['key']}"
    return urlunsplit(found._replace(netloc=f"{login}@{found.netloc.rpartition('@')[2]}"))
