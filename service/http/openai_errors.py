"""The ``error`` object of OpenAI's API. Its clients show ``message``, and no other field of an answer."""

PREFIX = "/v1/"
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


def applies(path: str) -> bool:
    """Whether a path (without the proxy's prefix) belongs to OpenAI's API."""
    return path.startswith(PREFIX)


def error(status: int, code: str, detail: str, param: str | None) -> dict[str, str | None]:
    """The object. ``param`` is the name of the field that is wrong; None if the error is of none."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"message": detail, "type": kind, "param": param, "code": code}
