"""The AWS query protocol (and its EC2 dialect), driven by botocore's public service models.

Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html and .../aws-ec2-query-protocol.html
"""

from __future__ import annotations

import base64
import functools
import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import botocore.loaders
import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator

JSON_TYPE = "application/x-amz-json-1.1"
_ILLEGAL_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SESSION_LOCK = threading.RLock()


class AwsError(Exception):
    """An error that the caller sees, with AWS's own code and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@functools.cache
def session() -> botocore.session.Session:
    """The process's botocore session: its loader keeps every service model once."""
    return botocore.session.Session()


@functools.cache
def service_model(name: str) -> ServiceModel:
    """botocore's model of a service, by botocore's name for it (`cloudformation`, `ec2`)."""
    with _SESSION_LOCK:
        # S3 clients take `{Bucket}` out of the paths of the model that they share with their session.
        source = botocore.session.Session() if name == "s3" else session()
        return source.get_service_model(name)


def share_model_files() -> None:
    """Let every botocore session of the process read each model file once.

    moto makes a session for every service it loads, and each reads all endpoints again: without this an emulator
    takes 0.6 s more to start, and 40 MB.
    """
    loader: Any = botocore.loaders.JSONFileLoader
    loader.load_file = lambda self, path: _load_file(self, path) if "/s3/" in path else _model_file(path)


_load_file = botocore.loaders.JSONFileLoader.load_file


@functools.cache
def _model_file(path: str) -> Any:
    return _load_file(botocore.loaders.JSONFileLoader(), path)


# -- requests ---------------------------------------------------------------------------------------


def parse_form(operation: OperationModel, form: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of a call from its form fields, typed by the operation's input shape.

    Raises AwsError(ValidationError) for a missing required member or a value that does not fit its type.
    """
    shape = operation.input_shape
    if shape is None:
        return {}
    ec2 = operation.service_model.metadata["protocol"] == "ec2"
    params = _parse(shape, _tree(form), ec2, path="")
    return params if isinstance(params, dict) else {}


def parse_json(operation: OperationModel, body: bytes) -> dict[str, Any]:
    """Parameters of a call from its JSON body, times as datetimes.

    Raises AwsError(SerializationException) for what is no JSON object, AwsError(ValidationException) for what
    breaks the input shape.
    """
    try:
        params = json.loads(body or b"{}")
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise AwsError("SerializationException", "The body is not a JSON object")
    shape = operation.input_shape
    if shape is None:
        return {}
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise AwsError("ValidationException", report.generate_report())
    typed: dict[str, Any] = _typed(shape, params, "")
    return typed


def _typed(shape: Shape | None, value: Any, path: str) -> Any:
    if isinstance(shape, StructureShape):
        return {name: _typed(shape.members.get(name), item, _lower(name)) for name, item in value.items()}
    if isinstance(shape, ListShape):
        return [_typed(shape.member, item, path) for item in value]
    if isinstance(shape, MapShape):
        return {key: _typed(shape.value, item, path) for key, item in value.items()}
    if shape is not None and shape.type_name == "timestamp":
        return parse_timestamp(value)
    enum = getattr(shape, "enum", None)
    if enum and value not in enum:
        message = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: "
        raise AwsError("ValidationException", f"1 validation error detected: {message}[{', '.join(enum)}]")
    return value


def _tree(form: Mapping[str, str]) -> dict[str, Any]:
    """`A.member.1=x` -> {"A": {"member": {"1": {"": "x"}}}}: a value sits under the empty key."""
    root: dict[str, Any] = {}
    for name, value in form.items():
        node = root
        for part in name.split("."):
            node = node.setdefault(part, {})
        node[""] = value
    return root


def _parse(shape: Shape, node: dict[str, Any], ec2: bool, path: str) -> Any:
    if isinstance(shape, StructureShape):
        return _parse_structure(shape, node, ec2, path)
    if isinstance(shape, ListShape):
        return [_parse(shape.member, item, ec2, path) for item in _items(_list_node(shape, node, ec2))]
    if isinstance(shape, MapShape):
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        entries = node if shape.serialization.get("flattened") else node.get("entry", {})
        return {
            item[key_name][""]: _parse(shape.value, item.get(value_name, {"": ""}), ec2, path)
            for item in _items(entries)
        }
    return _parse_scalar(shape, node.get("", ""), ec2, path)


def _parse_structure(shape: StructureShape, node: dict[str, Any], ec2: bool, path: str) -> dict[str, Any]:
    params = {}
    for name, member in shape.members.items():
        where = f"{path}.{_lower(name)}" if path else _lower(name)
        child = node.get(_form_name(name, member, ec2))
        if child is not None:
            params[name] = _parse(member, child, ec2, where)
        elif name in shape.required_members:
            raise constraint("null", where, "Member must not be null")
    return params


def _form_name(name: str, shape: Shape, ec2: bool) -> str:
    serialization = shape.serialization
    if ec2:
        serialized = serialization.get("queryName") or serialization.get("name", name)
        return serialized if "queryName" in serialization else serialized[:1].upper() + serialized[1:]
    if isinstance(shape, ListShape) and serialization.get("flattened"):
        return shape.member.serialization.get("name", serialization.get("name", name))
    return serialization.get("name", name)


def _list_node(shape: ListShape, node: dict[str, Any], ec2: bool) -> dict[str, Any]:
    if ec2 or shape.serialization.get("flattened"):
        return node
    return node.get(shape.member.serialization.get("name", "member"), {})


def _items(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node[key] for key in sorted((key for key in node if key.isdigit()), key=int)]


def _parse_scalar(shape: Shape, text: str, ec2: bool, path: str) -> Any:
    kind = shape.type_name
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if kind == "timestamp":
            return parse_timestamp(text)
        if kind == "blob":
            return base64.b64decode(text)
    except (ValueError, KeyError):
        raise AwsError("ValidationError", f"Invalid value '{text}' at '{path}': a {kind} is expected") from None
    enum = getattr(shape, "enum", None)
    if enum and text not in enum and not ec2:  # EC2 has words of its own for each of them
        raise constraint(f"'{text}'", path, f"Member must satisfy enum value set: [{', '.join(enum)}]")
    return text


def constraint(value: str, path: str, rule: str) -> AwsError:
    """AWS's wording of a value that breaks the model."""
    message = f"1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: {rule}"
    return AwsError("ValidationError", message)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


# -- answers ----------------------------------------------------------------------------------------


def success_xml(operation: OperationModel, result: Mapping[str, Any], request_id: str) -> bytes:
    """The answer to a call; raises ValueError or TypeError when `result` does not fit the output shape."""
    metadata = operation.service_model.metadata
    shape = operation.output_shape
    body = _members(shape, result) if shape is not None else ""
    if shape is None and result:
        raise ValueError(f"{operation.name} answers nothing, not {sorted(result)}")
    if metadata["protocol"] == "ec2":
        namespace = f"http://ec2.amazonaws.com/doc/{metadata['apiVersion']}/"
        body = f"<requestId>{request_id}</requestId>{body}"
    else:
        namespace = metadata["xmlNamespace"]
        wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
        body = f"<{wrapper}>{body}</{wrapper}>" if wrapper else body
        body += f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
    return _document(f'<{operation.name}Response xmlns="{namespace}">{body}</{operation.name}Response>')


def success_json(operation: OperationModel, result: Mapping[str, Any]) -> bytes:
    """The answer to a call of the JSON protocol; raises ValueError or TypeError when `result` does not fit."""
    shape = operation.output_shape
    if shape is None and result:
        raise ValueError(f"{operation.name} answers nothing, not {sorted(result)}")
    return json.dumps(_json(shape, result) if shape is not None else {}).encode()


def _json(shape: Shape, value: Any) -> Any:
    """A result as JSON: times are seconds since 1970, members without a value are left out."""
    if isinstance(shape, StructureShape):
        unknown = set(value) - set(shape.members)
        if unknown:
            raise ValueError(f"{shape.name} has no member {sorted(unknown)}")
        return {name: _json(shape.members[name], item) for name, item in value.items() if item is not None}
    if isinstance(shape, ListShape):
        return [_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _json(shape.value, item) for key, item in value.items()}
    if shape.type_name in ("integer", "long", "float", "double") and isinstance(value, int | float):
        return value
    if shape.type_name == "timestamp":
        return (value if isinstance(value, datetime) else parse_timestamp(value)).timestamp()
    text = _scalar(shape, value)
    return text == "true" if shape.type_name == "boolean" else text


def error_body(protocol: str, error: AwsError, request_id: str) -> tuple[str, bytes]:
    """Content type and body of an error; JSON serves the CBOR protocol as well."""
    if "json" in protocol or "cbor" in protocol:
        return JSON_TYPE, json.dumps({"__type": error.code, "message": error.message}).encode()
    return "text/xml", _error_xml(protocol, error, request_id)


_CODE = re.compile(rb'<Code>([^<]+)</Code>|"__type": ?"(?:[^"#]*#)?([^"]+)"')


def error_code(body: bytes) -> str | None:
    """The code in an error's body, of any protocol."""
    match = _CODE.search(body[:2000])
    return (match[1] or match[2]).decode() if match else None


def _error_xml(protocol: str, error: AwsError, request_id: str) -> bytes:
    fields = f"<Code>{_text(error.code)}</Code><Message>{_text(error.message)}</Message>"
    if protocol == "ec2":
        return _document(
            f"<Response><Errors><Error>{fields}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        )
    if protocol == "rest-xml":
        return _document(f"<Error>{fields}<RequestId>{request_id}</RequestId></Error>")
    kind = "Sender" if error.status < 500 else "Receiver"
    return _document(
        f"<ErrorResponse><Error><Type>{kind}</Type>{fields}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )


def _document(root: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}'.encode()


def _element(name: str, shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        return f"<{name}>{_members(shape, value)}</{name}>"
    if isinstance(shape, ListShape):
        if shape.serialization.get("flattened"):
            return "".join(_element(name, shape.member, item) for item in value)
        item_name = shape.member.serialization.get("name", "member")
        return f"<{name}>{''.join(_element(item_name, shape.member, item) for item in value)}</{name}>"
    if isinstance(shape, MapShape):
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        entries = "".join(
            f"<entry>{_element(key_name, shape.key, key)}{_element(value_name, shape.value, item)}</entry>"
            for key, item in value.items()
        )
        return f"<{name}>{entries}</{name}>"
    return f"<{name}>{_text(_scalar(shape, value))}</{name}>"


def _members(shape: StructureShape, value: Mapping[str, Any]) -> str:
    unknown = set(value) - set(shape.members)
    if unknown:
        raise ValueError(f"{shape.name} has no member {sorted(unknown)}")
    return "".join(
        _element(member.serialization.get("name", name), member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    )


def _scalar(shape: Shape, value: Any) -> str:
    kind = shape.type_name
    if kind == "boolean":
        if not isinstance(value, bool):
            raise TypeError(f"{shape.name} is a boolean, not {value!r}")
        return "true" if value else "false"
    if kind == "timestamp":
        moment = value if isinstance(value, datetime) else parse_timestamp(value)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if kind == "blob":
        return base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()
    if kind in ("integer", "long"):
        return str(int(value))
    if isinstance(value, str):
        return value
    if kind == "string":
        raise TypeError(f"{shape.name} is a string, not {value!r}")
    return repr(float(value))


def _text(value: str) -> str:
    return escape(_ILLEGAL_XML.sub("?", value), {"\r": "&#13;"})
