"""A mapping held against the models that the ERP really has, without writing."""

from __future__ import annotations

from collections.abc import Iterator

from include.erp.jsonrpc.api import Api
from include.erp.jsonrpc.grammar import Call, JsonEntity, JsonMapping
from include.erp.mapping import loading
from include.erp.mapping.block import suggest
from include.erp.mapping.spec import WRITES
from include.financials.exceptions import ConfigurationError, Refused


def problems(mapping: loading.Mapping[JsonMapping], api: Api) -> Iterator[str]:
    """Sentences for a person, each with its place in the file."""
    for name, spec in mapping.spec.entities.items():
        yield from _reads(mapping, name, spec, api)
        for action in WRITES if mapping.spec.writes is None else ():
            for index, call in enumerate(spec.write.calls(action)):
                assert isinstance(call, Call)
                yield from _writes(mapping.at("entities", name, "write", action, index), call, api)


def _reads(mapping: loading.Mapping[JsonMapping], name: str, spec: JsonEntity, api: Api) -> Iterator[str]:
    place = mapping.at("entities", name, "from")
    faults = [told for path in spec.source.fields if (told := _path(spec.source.model, path, api))]
    yield from (f"{place}: {told}" for told in dict.fromkeys(faults))
    if faults:
        return
    try:
        api.search(spec.source.model, spec.source.where, spec.source.fields, limit=1)
    except (Refused, ConfigurationError) as error:
        yield f"{place}: {spec.source.model} cannot be read: {error}"


def _path(model: str, path: str, api: Api) -> str | None:
    """What is wrong with a path of fields. Behind a reference to several models nothing can be said before it is read."""
    head, _, rest = path.partition(".")
    try:
        known = api.fields(model)
    except (Refused, ConfigurationError) as error:
        return f"{model} cannot be read: {error}"
    if head not in known:
        return f"{model} has no field {head!r}{suggest(head, known)}"
    relation = known[head].relation
    return _path(relation, rest, api) if rest and relation else None


def _writes(place: str, call: Call, api: Api) -> Iterator[str]:
    if call.press:
        return
    faults = [told for name in (*call.values, *call.once, *call.unique) if (told := _path(call.model, name, api))]
    yield from (f"{place}: {told}" for told in dict.fromkeys(faults))
    yield from (f"{place}: {name!r} is in `once` and not among the values" for name in call.once if name not in call.values)
