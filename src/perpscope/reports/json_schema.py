"""The JSON Schema (2020-12) of a record that is published, as the record itself gives it."""

import msgspec


def schema_of(record: type[msgspec.Struct], form: str, title: str, description: str) -> bytes:
    """Indented, with a line at its end.

    Args:
        record: what is written.
        form: name and number of the form; its id is made of it.
        title: of the schema.
        description: units, and what null means.
    """
    (reference,), parts = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:perpscope:schema:{form}",
        "title": title,
        "description": description,
    }
    return msgspec.json.format(msgspec.json.encode({**head, **reference, "$defs": parts}), indent=2) + b"\n"
