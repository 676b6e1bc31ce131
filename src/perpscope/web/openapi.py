"""OpenAPI 3.1, written from the Endpoints and their Structs; the same Structs read questions and make bodies.

Whatever has no example of its own gets one made from its type, so that each body is shown once.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import inspect

from perpscope.web.endpoint import Endpoint
from perpscope.web.ops import Alive, Ready
from perpscope.web.problem import MEDIA_TYPE, Problem
from perpscope.web.routes import backtests, trade
from perpscope.web.tickets import PATH as TICKET_PATH
from perpscope.web.tickets import Ticket

Json: TypeAlias = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_IN_PATH: Final = re.compile(r"\{(\w+)\}")
_DEPTH: Final = 8
#: How msgspec names a type where two are called the same.
_QUALIFIED: Final = re.compile(rb"perpscope\.[\w.]*?(\w+)\.([A-Z]\w*)(?=\")")
_DESCRIPTION: Final = """\
Liquidations, where leverage would break, and how the market is positioned: with age, origin and coverage in `meta`.
Times are epoch ms and their names end in `_ms`; queries take epoch ms, ISO 8601 with a zone, or `24h`, `7d`.
null means unknown. Errors are `application/problem+json` with a stable `code`.
"""
#: Status → why.
_PROBLEMS: Final = {
    "400": "the request contradicts itself",
    "401": "a key is needed, or this one is not good",
    "403": "the key, the Host or the Origin does not allow it",
    "404": "no venue or instrument of this name",
    "409": "too little is stored for this",
    "413": "the body is larger than 64 kB",
    "415": "without a key the content type must be application/json",
    "421": "another host's name was asked for",
    "422": "a parameter is unknown or out of bounds; `errors` says which",
    "429": "too many requests; Retry-After says when again",
    "431": "too long, or too many headers",
    "500": "our bug; the log has the line with this request_id",
    "502": "a venue did not answer",
    "503": "the store cannot be read, or too much is being made; Retry-After says when again",
}
_EXAMPLES: Final[Mapping[str, object]] = {
    "venue": "binance",
    "symbol": "BTC",
    "instrument": "BTC-USDT-PERP.BINANCE",
    "coin": "BTC",
    "state": "live",
    "heart": "live",
    "etag": "…",
    "next": None,
}
_EXAMPLE_MS: Final = 1_795_165_200_000


def document(endpoints: Sequence[Endpoint], version: str = "1") -> Json:
    """The whole document.

    Args:
        endpoints: of the app.
        version: of the interface.
    """
    bodies = {endpoint.body.__name__: endpoint.body for endpoint in endpoints}
    types = [*bodies.values(), Problem, Alive, Ready, Ticket, *backtests.TOLD, *trade.TOLD]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    paths: Json = {}
    for endpoint in sorted(endpoints, key=lambda found: found.paths):
        for position, path in enumerate(endpoint.paths):
            suffix = "" if position == 0 else "_v1" if position == 1 else f"_{position}"
            paths[path] = {"get": _operation(endpoint, path, endpoint.name + suffix)}
    paths |= _others()
    for told in (backtests.documented(_plain, _told), trade.documented(_plain, _told)):
        for path, methods in told.items():
            paths[path] = {**paths.get(path, {}), **methods}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "perpscope",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({endpoint.tag for endpoint in endpoints} | {"operation", "push"})],
        "security": [{}, {"bearer": []}, {"apiKey": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {f"Problem{status}": _problem(why) for status, why in _PROBLEMS.items()},
            "headers": _headers(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`perpscope keys add`"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def encoded(told: Json) -> bytes:
    """The document as it is served and kept: always the same bytes for the same endpoints."""
    return msgspec.json.format(_QUALIFIED.sub(_short, msgspec.json.encode(told)), indent=1)


def _short(found: re.Match[bytes]) -> bytes:
    """Name of one of two types that are called the same: by its module, too."""
    return found[1].capitalize() + found[2]


def example_of(type_: object, name: str = "") -> object:
    """A value of a type, for a reader: its own example or default where there is one."""
    return _example(inspect.type_info(type_), name, 0)


def _operation(endpoint: Endpoint, path: str, operation: str) -> Json:
    in_path = frozenset(_IN_PATH.findall(path))
    told: Json = {
        "operationId": operation,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "parameters": [_parameter(field, in_path) for field in msgspec.structs.fields(endpoint.query)],
        "responses": {
            "200": {
                "description": endpoint.summary,
                "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("ETag", "Age", "X-Request-ID")},
                "content": {
                    "application/json": {
                        "schema": {"$ref": _REF.format(name=endpoint.body.__name__)},
                        "example": example_of(endpoint.body),
                    },
                    **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in endpoint.raw},
                },
            },
            "304": {"description": "what If-None-Match names is still the answer"},
            **{status: _told(status) for status in _PROBLEMS},
        },
    }
    if endpoint.description:
        told["description"] = endpoint.description
    if endpoint.scope != "read":
        told["security"] = [{"bearer": []}, {"apiKey": []}]
    return told


def _parameter(field: msgspec.structs.FieldInfo, in_path: frozenset[str]) -> Json:
    (schema,), _ = msgspec.json.schema_components([field.type], ref_template=_REF)
    schema = dict(schema)
    is_in_path = field.encode_name in in_path
    told: Json = {"name": field.encode_name, "in": "path" if is_in_path else "query"}
    if text := _description(schema):
        told["description"] = text
    told["required"] = is_in_path or field.required
    if schema.get("type") == "array":
        told |= {"style": "form", "explode": False}
    default = None if is_in_path else _default(field)
    if default is not None:
        schema["default"] = default
    told["schema"] = schema
    told["example"] = example_of(field.type, field.encode_name) if default in (None, []) else default
    return told


def _description(schema: Json) -> str:
    """What is said of a parameter, taken out of its schema or of one of its alternatives."""
    found = str(schema.pop("description", ""))
    schema["anyOf"] = [dict(part) for part in schema.get("anyOf", ())]
    for part in schema["anyOf"]:
        found = found or part.pop("description", "")
    if not schema["anyOf"]:
        del schema["anyOf"]
    return found


def _default(field: msgspec.structs.FieldInfo) -> object:
    """What is taken where the name is left out; None = nothing."""
    if field.default is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default)
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.to_builtins(field.default_factory())
    return None


def _told(status: str) -> Json:
    return {"$ref": f"#/components/responses/Problem{status}"}


def _problem(why: str) -> Json:
    return {
        "description": why,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}},
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }


def _headers() -> Json:
    said = {
        "ETag": ("hash of the body; send it back as If-None-Match", {"type": "string"}),
        "Age": ("seconds since the body was made", {"type": "string", "pattern": "^[0-9]+$"}),
        "X-Request-ID": ("stands in the log, too", {"type": "string"}),
    }
    return {name: {"description": text, "schema": schema} for name, (text, schema) in said.items()}


def _others() -> Json:
    """What is no Endpoint: for those who run a face, and tickets of push connections."""
    ticket = _plain("stream_ticket", "push", "A ticket that opens one push connection within 30 s.", Ticket)
    ticket["responses"] |= {status: _told(status) for status in ("400", "401", "403", "413", "415", "421", "429")}
    metrics = _plain("metrics", "operation", "Figures for Prometheus.", None)
    metrics["responses"] |= {status: _told(status) for status in ("401", "403", "421", "429")}
    ready = _plain("readyz", "operation", "Whether everything this face needs is there.", Ready)
    ready["responses"]["503"] = _problem("not ready; `errors` says what is missing")
    return {
        "/healthz": {"get": _plain("healthz", "operation", "Whether the process answers.", Alive)},
        "/readyz": {"get": ready},
        "/metrics": {"get": metrics},
        TICKET_PATH: {"post": ticket},
    }


def _plain(operation: str, tag: str, summary: str, body: type[msgspec.Struct] | None) -> Json:
    if body is None:
        content: Json = {"text/plain": {"schema": {"type": "string"}}}
    else:
        schema = {"$ref": _REF.format(name=body.__name__)}
        content = {"application/json": {"schema": schema, "example": example_of(body)}}
    return {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}},
    }


def _example(info: inspect.Type, name: str, depth: int) -> object:
    if depth > _DEPTH:
        return None
    match info:
        case inspect.Metadata():
            told = (info.extra_json_schema or {}).get("examples")
            return told[0] if told else _example(info.type, name, depth)
        case inspect.StructType():
            return {f.encode_name: _example(f.type, f.encode_name, depth + 1) for f in info.fields}
        case inspect.UnionType():
            known = [kind for kind in info.types if not isinstance(kind, inspect.NoneType)]
            return _EXAMPLES[name] if name in _EXAMPLES else _example(known[0], name, depth)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.CollectionType():
            item = _example(info.item_type, name, depth + 1)
            return [] if item is None else [item]
        case inspect.TupleType():
            return [_example(kind, name, depth + 1) for kind in info.item_types]
        case inspect.DictType():
            return {str(_example(info.key_type, "key", depth + 1)): _example(info.value_type, name, depth + 1)}
        case _:
            return _example_of_one(info, name)


def _example_of_one(info: inspect.Type, name: str) -> object:
    """A value of a type that has no parts."""
    match info:
        case inspect.IntType():
            value = 400 if "age" in name else _EXAMPLE_MS if name.endswith("_ms") else 1
            return _bounded(value, info)
        case inspect.FloatType():
            size = 65_000.0 if "price" in name or "mark" in name else 1_250_000.0 if "usd" in name else 0.5
            return _bounded(size, info)
        case inspect.StrType():
            return _EXAMPLES.get(name, name or "text")
        case inspect.LiteralType():
            return info.values[0]
        case inspect.EnumType():
            return next(iter(info.cls)).value
        case inspect.BoolType():
            return False
        case _:
            return None


def _bounded(value: float, info: inspect.IntType | inspect.FloatType) -> float:
    """The nearest that the bounds allow."""
    step = 1 if isinstance(info, inspect.IntType) else 0.5
    least = info.ge if info.ge is not None else None if info.gt is None else info.gt + step
    most = info.le if info.le is not None else None if info.lt is None else info.lt - step
    if least is not None and value < least:
        return least
    return most if most is not None and value > most else value


if __name__ == "__main__":
    from perpscope.web.app import found

    sys.stdout.buffer.write(encoded(document(found())) + b"\n")
