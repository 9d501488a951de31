"""Errors in the API's shape: `{"error": {"message", "type", "param", "code"}}` (protocol reference, checklist 19)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException

from vivavoce.protocol.errors import EngineError, UpstreamError
from vivavoce.server.refusal import Refusal

BROKEN = Refusal(500, None, "The server had an error while processing your request.", type="server_error")
"""A mistake of ours; the log tells it."""
_MISSING, _JSON = "missing", "json_invalid"
_RANGES = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"})

_SHAPES = frozenset({"str", "int", "float", "bool", "dict", "list"})


class ApiError(HTTPException):
    """A request that cannot be served: HTTP status and the fields of the error object.

    An HTTPException, so that one raised while a body is read is not taken for a broken body.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(status, message)
        self.message = message
        self.refusal = Refusal(status, code, message, param, kind, retry_after_s)


def of_engine(error: EngineError) -> ApiError:
    """A stage failed: 503 where trying again may help, 500 otherwise."""
    return _failed(error, f"{error.stage}_failed", 500)


def of_upstream(error: UpstreamError) -> ApiError:
    """Another server failed: 503 where trying again may help, 502 otherwise."""
    return _failed(error, error.code, 502)


def _failed(error: EngineError | UpstreamError, code: str, for_good: int) -> ApiError:
    status, retry_after_s = (503, 1) if error.retryable else (for_good, None)
    return ApiError(error.message, status=status, code=code, kind="server_error", retry_after_s=retry_after_s)


def unknown_response(response_id: str) -> ApiError:
    """A response that this client has not made, or that is not kept any more."""
    return ApiError(f"Response with id '{response_id}' not found.", status=404)


def unknown_previous(response_id: str) -> ApiError:
    """The same, where one is to be gone on from."""
    return ApiError(
        f"Previous response with id '{response_id}' not found.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def of_validation(errors: Sequence[Any]) -> ApiError:
    """The first thing that is wrong with a body, by the path of its field.

    Where a field may have several shapes, what is wrong with each of them is listed; the deepest one is the shape that was meant.
    """
    if not errors:
        return ApiError("The request body is not valid.")
    chosen = max(errors, key=lambda error: len(error["loc"]))
    first = errors[0]
    meant = chosen if first["loc"][:2] == chosen["loc"][:2] else first
    param = path_of(meant["loc"])
    if meant["type"] == _JSON:
        return ApiError("We could not parse the JSON body of your request.", code="invalid_json")
    if not param:
        return ApiError("The request needs a JSON object as its body (Content-Type: application/json).")
    if meant["type"] == _MISSING:
        return ApiError(
            f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
        )
    code = "invalid_value" if meant["type"] in _RANGES or "literal" in meant["type"] else "invalid_type"
    if meant["type"] == "string_too_long":
        code = "string_above_max_length"
    elif meant["type"] in ("string_too_short", "value_error"):
        code = "invalid_value"
    return ApiError(f"Invalid value for '{param}': {meant['msg']}.", param=param, code=code)


def path_of(location: Sequence[int | str]) -> str:
    """`input[0].content` for a place in a body; names of shapes (they are no fields) are left out."""
    path = ""
    for step in location[1:]:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _is_field(step):
            path += f".{step}" if path else step
    return path


def _is_field(step: str) -> bool:
    """Shapes are called `str`, `list[Part]`, `NamedChoice` and the like; fields of forms may end in `[]`."""
    name = step.removesuffix("[]")
    return name not in _SHAPES and name == name.lower() and name.replace("_", "").isalnum()
