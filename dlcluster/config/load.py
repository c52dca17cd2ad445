"""From a cluster file to a ClusterConfig, or to one error that names every mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dlcluster.catalog import nearest
from dlcluster.config.model import ClusterConfig
from dlcluster.config.source import Problem, Source, parse
from dlcluster.errors import UserError

_EXPECTED = {
    "string_type": "expected text (quote it when it looks like a number or a date)",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected keys and values",
    "model_type": "expected keys and values",
    "model_attributes_type": "expected keys and values",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
    "string_pattern_mismatch": "expected text that matches {pattern}",
}


def load_cluster(path: str | Path) -> ClusterConfig:
    """Read a cluster file.

    UserError (exit code 2) when it cannot be read or is not a valid cluster file: `where` is file:line:column of
    the first mistake, and every mistake is told.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"cannot read the cluster file: {reason}", where=str(path), hint=_INIT_HINT) from None
    return parse_cluster(text, str(path))


_INIT_HINT = "`dlcluster init` writes one to start from"


def parse_cluster(text: str, filename: str = "cluster.yaml") -> ClusterConfig:
    """A ClusterConfig from YAML text; `filename` is for the messages of the UserError."""
    source = parse(text)
    problems = list(source.problems)
    if not problems:
        try:
            return ClusterConfig.model_validate({} if source.value is None else source.value)
        except ValidationError as invalid:
            problems = [_problem(error, source) for error in invalid.errors(include_url=False)]
    raise _user_error(sorted(problems), filename)


def default_cluster(name: str = "default") -> ClusterConfig:
    """The cluster that is used when there is no file: on the embedded cloud, one head and two workers."""
    return ClusterConfig().with_name(name)


def _user_error(problems: list[Problem], filename: str) -> UserError:
    first, *others = problems
    lines = [first.message, *(f"{filename}:{p.line}:{p.column}: {p.message}" for p in others)]
    return UserError("\n".join(lines), where=f"{filename}:{first.line}:{first.column}")


def _problem(error: ErrorDetails, source: Source) -> Problem:
    loc = error["loc"]
    unknown = error["type"] == "extra_forbidden"
    line, column = source.place(loc, of_key=unknown)
    return Problem(line, column, _unknown_key(loc) if unknown else _wrong_value(error))


def _unknown_key(loc: tuple[int | str, ...]) -> str:
    known = list(_model_at(loc[:-1]).model_fields)
    guess = nearest(str(loc[-1]), known)
    hint = f"did you mean '{guess}'?" if guess else f"known keys: {', '.join(known)}"
    return f"unknown key '{_dotted(loc)}'; {hint}"


def _wrong_value(error: ErrorDetails) -> str:
    name = _dotted(error["loc"]) or "cluster file"
    if error["type"] == "value_error":  # a rule of ours, which says what it saw
        return f"{name}: {error['ctx']['error']}"
    expected = _EXPECTED.get(error["type"]) or error["msg"].replace("Input should be", "expected")
    expected = expected.format(**error.get("ctx", {})).replace("True", "true").replace("False", "false")
    return f"{name}: {expected}, got {_shown(error['input'])}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = ClusterConfig
    for part in loc:
        annotation = model.model_fields[str(part)].annotation
        models = [kind for kind in (annotation, *get_args(annotation)) if _is_model(kind)]
        model = models[0]
    return model


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
