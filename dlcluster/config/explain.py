"""What pydantic finds wrong with a file, said in the file's own words and with line and column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dlcluster.catalog import nearest
from dlcluster.config.source import Problem, Source, parse
from dlcluster.errors import UserError

_EXPECTED = {
    "string_type": "expected text (quote it when it looks like a number or a date)",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected keys and values",
    "model_type": "expected keys and values",
    "model_attributes_type": "expected keys and values",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "string_pattern_mismatch": "expected text that matches {pattern}",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
    "too_short": "expected at least {min_length} entries",
    "too_long": "expected at most {max_length} entries",
}

Loc = tuple[int | str, ...]
M = TypeVar("M", bound=BaseModel)


def read(model: type[M], text: str, filename: str) -> tuple[M, Source]:
    """The values of a YAML text and where they stand. UserError with every mistake, at file:line:column."""
    source = parse(text)
    problems = list(source.problems)
    if not problems:
        try:
            return model.model_validate({} if source.value is None else source.value), source
        except ValidationError as invalid:
            problems = [_problem(error, model, source) for error in invalid.errors(include_url=False)]
    raise user_error([(filename, problem) for problem in sorted(problems)])


def user_error(problems: Sequence[tuple[str, Problem]], hint: str = "") -> UserError:
    """One error for all problems: its place is that of the first one; the others follow with theirs."""
    (filename, first), *others = problems
    lines = [first.message, *(f"{name}:{p.line}:{p.column}: {p.message}" for name, p in others)]
    return UserError("\n".join(lines), where=f"{filename}:{first.line}:{first.column}", hint=hint)


def _problem(error: ErrorDetails, model: type[BaseModel], source: Source) -> Problem:
    loc, kind = error["loc"], error["type"]
    of_key = kind == "extra_forbidden" or loc[-1:] == ("[key]",)
    loc = loc[:-1] if loc[-1:] == ("[key]",) else loc
    line, column = source.place(loc, of_key=of_key)
    if kind == "extra_forbidden":
        return Problem(line, column, _unknown_key(loc, model))
    if kind == "missing":
        return Problem(line, column, f"missing key '{_dotted(loc)}'")
    return Problem(line, column, _wrong_value(error, loc))


def _unknown_key(loc: Loc, model: type[BaseModel]) -> str:
    known = list(_model_at(loc[:-1], model).model_fields)
    guess = nearest(str(loc[-1]), known)
    hint = f"did you mean '{guess}'?" if guess else f"known keys: {', '.join(known)}"
    return f"unknown key '{_dotted(loc)}'; {hint}"


def _wrong_value(error: ErrorDetails, loc: Loc) -> str:
    name = _dotted(loc) or "the file"
    if error["type"] == "value_error":  # a rule of ours, which says what it saw
        return f"{name}: {error['ctx']['error']}"
    expected = _EXPECTED.get(error["type"]) or error["msg"].replace("Input should be", "expected")
    expected = expected.format(**error.get("ctx", {})).replace("True", "true").replace("False", "false")
    return f"{name}: {expected}, got {shown(error['input'])}"


def shown(value: Any) -> str:
    """A value as the writer of a YAML file would name it."""
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dotted(loc: Loc) -> str:
    return ".".join(str(part) for part in loc)


def _model_at(loc: Loc, model: type[BaseModel]) -> type[BaseModel]:
    kind: Any = model
    for part in loc:
        kind = _inside(_plain(kind), part)
    found: type[BaseModel] = _plain(kind)
    return found


def _inside(kind: Any, part: int | str) -> Any:
    """The type of what lies at `part` of a value of type `kind`: a field, or an entry of a dict or list."""
    if _is_model(kind):
        return kind.model_fields[str(part)].annotation
    return get_args(kind)[1 if get_origin(kind) is dict else 0]


def _plain(kind: Any) -> Any:
    """The type without Annotated, and the model out of `Model | None`."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (dict, tuple):
        return kind
    return next((option for option in get_args(kind) if _is_model(option)), kind)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
