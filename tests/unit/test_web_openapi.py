"""The document at /openapi.json: valid, whole, the same as the Structs, and compatible with the one that is kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
from tests.unit.asking import Maker, endpoint

from perpscope.web import openapi
from perpscope.web.app import found

KEPT = Path(__file__).parents[2] / "docs" / "schemas" / "openapi.json"
#: What of a schema may not change: whoever reads a body relies on it.
_BINDING = ("type", "$ref", "enum", "const", "anyOf", "items", "format")


@pytest.fixture(scope="module")
def document() -> openapi.Json:
    """The document as it is served."""
    told: openapi.Json = json.loads(openapi.encoded(openapi.document(found())))
    return told


def test_the_document_is_valid_openapi(document: openapi.Json) -> None:
    """OpenAPI's own validator finds nothing wrong with it."""
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(document)


def test_each_parameter_has_bounds_and_an_example(document: openapi.Json) -> None:
    """Nothing can be asked without a limit, and whoever reads it sees how; ids are unique."""
    operations = [method for path in document["paths"].values() for method in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        for parameter in operation.get("parameters", []):
            where = (operation["operationId"], parameter["name"])
            assert "example" in parameter, where
            assert parameter.get("description"), where
            assert _is_bounded(parameter["schema"]), where


def test_each_example_is_what_its_schema_says(document: openapi.Json) -> None:
    """Examples of parameters and bodies are accepted by their own schemas."""
    components = {"components": document["components"]}
    for path, operation in _operations(document):
        for parameter in operation.get("parameters", []):
            jsonschema.validate(parameter["example"], {**parameter["schema"], **components})
        for answer in operation["responses"].values():
            body = answer.get("content", {}).get("application/json")
            if body is not None:
                jsonschema.validate(body["example"], {**body["schema"], **components})
        assert set(operation["responses"]) & {"200", "202"}, path


def test_the_document_follows_the_endpoints() -> None:
    """Names in a path, lists, defaults, bounds and ids are those of the endpoint."""
    told = openapi.document([endpoint(Maker())])
    assert {"/api/grid", "/api/v1/grid", "/api/grid/of/{symbol}"} <= set(told["paths"])
    plain, in_path = told["paths"]["/api/grid"]["get"], told["paths"]["/api/grid/of/{symbol}"]["get"]
    assert [told["paths"][path]["get"]["operationId"] for path in endpoint(Maker()).paths] == [
        "grid",
        "grid_v1",
        "grid_2",
    ]
    by_name = {parameter["name"]: parameter for parameter in plain["parameters"]}
    assert by_name["rows"] == {
        "name": "rows",
        "in": "query",
        "description": "rows of the grid",
        "required": False,
        "schema": {"type": "integer", "minimum": 0, "maximum": 1000, "default": 1},
        "example": 1,
    }
    assert (by_name["names"]["style"], by_name["names"]["explode"]) == ("form", False)
    assert (in_path["parameters"][0]["in"], in_path["parameters"][0]["required"]) == ("path", True)
    assert "default" not in in_path["parameters"][0]["schema"]


def test_the_kept_document_is_not_broken(document: openapi.Json) -> None:
    """What programs rely on is still there: no path, parameter or field went, none changed its type or its bounds."""
    kept: openapi.Json = json.loads(KEPT.read_text("utf-8"))
    broken = [*_broken_paths(kept, document), *_broken_bodies(kept, document)]
    assert not broken, "\n".join(broken)


def test_the_kept_document_is_the_newest(document: openapi.Json) -> None:
    """What was added is in the kept document, too: `python -m perpscope.web.openapi > docs/schemas/openapi.json`.

    Keeps S0-15.
    """
    kept = json.loads(KEPT.read_text("utf-8"))
    parts = {"paths": (kept["paths"], document["paths"])}
    parts |= {name: (kept["components"][name], document["components"][name]) for name in document["components"]}
    differing = [
        f"{part} {name}"
        for part, (before, after) in parts.items()
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    assert not differing
    assert kept == document


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda told: told["paths"].pop("/api/grid"), "/api/grid is gone"),
        (lambda told: told["paths"]["/api/grid"]["get"].update(operationId="x"), "operationId"),
        (lambda told: told["paths"]["/api/grid"]["get"]["parameters"].pop(1), "rows is gone"),
        (lambda told: told["paths"]["/api/grid"]["get"]["parameters"][1]["schema"].update(maximum=9), "maximum"),
        (lambda told: told["paths"]["/api/grid"]["get"]["parameters"][1].update(required=True), "required"),
        (lambda told: told["components"]["schemas"]["Grid"]["properties"].pop("rows"), "Grid.rows is gone"),
        (lambda told: told["components"]["schemas"]["Meta"]["properties"]["stale"].update(type="string"), "Meta.stale"),
        (lambda told: told["components"]["schemas"].pop("Source"), "Source is gone"),
    ],
)
def test_a_breaking_change_is_seen(change: Any, word: str) -> None:  # noqa: ANN401 -- a lambda
    """Each kind of change that would break a program is found, and named."""
    kept = json.loads(openapi.encoded(openapi.document([endpoint(Maker())])))
    now = json.loads(json.dumps(kept))
    change(now)
    assert any(word in line for line in (*_broken_paths(kept, now), *_broken_bodies(kept, now)))


def _operations(document: openapi.Json) -> Iterator[tuple[str, openapi.Json]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _is_bounded(schema: openapi.Json) -> bool:
    """Whether no value of a schema can be larger than somebody decided."""
    if "anyOf" in schema:
        return all(_is_bounded(part) for part in schema["anyOf"])
    if "enum" in schema or "$ref" in schema:
        return True
    match schema.get("type"):
        case "integer" | "number":
            return "maximum" in schema or "exclusiveMaximum" in schema
        case "string":
            return "maxLength" in schema
        case "array":
            return "maxItems" in schema and _is_bounded(schema["items"])
        case _:
            return schema.get("type") in {"boolean", "null"}


def _broken_paths(kept: openapi.Json, now: openapi.Json) -> Iterator[str]:
    for path, methods in kept["paths"].items():
        for method, before in methods.items():
            after = now["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{method} {path} is gone"
                continue
            if before["operationId"] != after["operationId"]:
                yield f"{path}: operationId was {before['operationId']}, is {after['operationId']}"
            yield from _broken_parameters(path, before.get("parameters", []), after.get("parameters", []))


def _broken_parameters(path: str, before: list[openapi.Json], after: list[openapi.Json]) -> Iterator[str]:
    by_name = {parameter["name"]: parameter for parameter in after}
    for parameter in before:
        name, new = parameter["name"], by_name.get(parameter["name"])
        if new is None:
            yield f"{path}: parameter {name} is gone"
            continue
        if new["required"] and not parameter["required"]:
            yield f"{path}: parameter {name} became required"
        yield from _changed(f"{path}: parameter {name}", parameter["schema"], new["schema"])
        for bound, sign in (("maximum", 1), ("minimum", -1)):
            was, is_ = parameter["schema"].get(bound), new["schema"].get(bound)
            if was is not None and is_ is not None and sign * is_ < sign * was:
                yield f"{path}: parameter {name}: {bound} was {was}, is {is_}"
    for name in set(by_name) - {parameter["name"] for parameter in before}:
        if by_name[name]["required"]:
            yield f"{path}: new parameter {name} is required"


def _broken_bodies(kept: openapi.Json, now: openapi.Json) -> Iterator[str]:
    schemas = now["components"]["schemas"]
    for name, before in kept["components"]["schemas"].items():
        after = schemas.get(name)
        if after is None:
            yield f"body {name} is gone"
            continue
        for field, schema in before.get("properties", {}).items():
            if field not in after.get("properties", {}):
                yield f"{name}.{field} is gone"
            else:
                yield from _changed(f"{name}.{field}", schema, after["properties"][field])


def _changed(where: str, before: openapi.Json, after: openapi.Json) -> Iterator[str]:
    for key in _BINDING:
        if before.get(key) != after.get(key):
            yield f"{where}: {key} was {before.get(key)}, is {after.get(key)}"
