# SPDX-License-Identifier: MIT
"""An OpenAPI document, as far as vmplugd's own goes, and what holds an answer against it."""
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

TYPES: Dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool,
                         "null": type(None)}
#: What a schema may consist of here; anything else would go unchecked.
KNOWN = {"$ref", "oneOf", "discriminator", "type", "enum", "properties", "required", "examples",
         "additionalProperties", "items", "minItems", "maxItems", "minLength", "maxLength",
         "minimum", "maximum", "description", "format", "default"}


def is_type(value: Any, name: str) -> bool:
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


class Mismatch(AssertionError):
    """A value that is not as its schema has it."""


class Document:
    def __init__(self, path: Path) -> None:
        self.root: Dict[str, Any] = json.loads(path.read_text())

    def resolve(self, part: Any) -> Any:
        while "$ref" in part:
            target: Any = self.root
            for key in part["$ref"].split("/")[1:]:
                target = target[key]
            part = target
        return part

    def operations(self) -> List[Tuple[str, str, Dict[str, Any]]]:
        """(method, path, operation) of each."""
        return [(method.upper(), path, operation)
                for path, item in self.root["paths"].items()
                for method, operation in item.items() if method != "parameters"]

    def find(self, method: str, path: str) -> Tuple[List[str], Optional[Dict[str, Any]]]:
        """The methods that the path has, and the operation."""
        methods, found = [], None
        for one, pattern, operation in self.operations():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
                methods.append(one)
                found = operation if one == method else found
        return methods, found

    def check(self, value: Any, schema: Dict[str, Any], where: str = "body") -> None:
        """Raises Mismatch."""
        schema = self.resolve(schema)
        strange = set(schema) - KNOWN
        if strange:
            raise Mismatch(f"{where}: the schema has {strange}")
        if "oneOf" in schema:
            self.check_one_of(value, schema["oneOf"], where)
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(is_type(value, name) for name in types):
            raise Mismatch(f"{where}: {value!r} is no {types}")
        if "enum" in schema and value not in schema["enum"]:
            raise Mismatch(f"{where}: {value!r} is none of {schema['enum']}")
        if isinstance(value, dict):
            self.check_object(value, schema, where)
        elif isinstance(value, list):
            self.check_size(len(value), schema, "Items", where)
            for index, item in enumerate(value):
                self.check(item, schema.get("items", {}), f"{where}[{index}]")
        elif isinstance(value, str):
            self.check_size(len(value), schema, "Length", where)
        elif is_type(value, "number"):
            self.check_size(value, schema, "imum", where)

    def check_one_of(self, value: Any, schemas: List[Any], where: str) -> None:
        problems = []
        for schema in schemas:
            try:
                self.check(value, schema, where)
            except Mismatch as problem:
                problems.append(str(problem))
        if len(schemas) - len(problems) != 1:
            raise Mismatch(f"{where}: {len(schemas) - len(problems)} fit: {problems}")

    def check_object(self, value: Dict[str, Any], schema: Dict[str, Any], where: str) -> None:
        properties = schema.get("properties", {})
        missing = set(schema.get("required", [])) - set(value)
        if missing:
            raise Mismatch(f"{where}: {missing} is missing in {value}")
        strange = set(value) - set(properties)
        if strange and schema.get("additionalProperties") is False:
            raise Mismatch(f"{where}: {strange} is not in the document")
        for key, item in value.items():
            self.check(item, properties.get(key, {}), f"{where}.{key}")

    @staticmethod
    def check_size(size: float, schema: Dict[str, Any], what: str, where: str) -> None:
        if size < schema.get("min" + what, size) or size > schema.get("max" + what, size):
            raise Mismatch(f"{where}: {size} is out of range")

    def check_answer(self, method: str, path: str, status: int, headers: Any, text: str) -> Any:
        """The body's value, once the answer is found to be one that the document has."""
        methods, operation = self.find(method, path.split("?")[0])
        value = json.loads(text) if headers.get_content_type() == "application/json" else text
        if operation is None:
            if status not in (403, 405 if methods else 404):
                raise Mismatch(f"{method} {path}: {status}")
            if status == 405 and sorted(headers["Allow"].split(", ")) != sorted(methods):
                raise Mismatch(f"{path}: {headers['Allow']}, not {methods}")
            self.check(value, {"$ref": "#/components/schemas/Error"})
            return value
        if str(status) not in operation["responses"]:
            raise Mismatch(f"{method} {path}: {status} is not in the document: {text[:300]}")
        response = self.resolve(operation["responses"][str(status)])
        for name in response.get("headers", {}):
            if name not in headers:
                raise Mismatch(f"{method} {path}: there is no header {name}")
        content = response["content"].get(headers.get_content_type())
        if content is None:
            raise Mismatch(f"{method} {path}: {headers.get_content_type()}")
        self.check(value, content["schema"], f"{method} {path}: {status}")
        return value
