"""The errors that the client raises.

CopysightError
└── ClientError
    ├── ServerUnreachable    there was no response, or no valid one
    └── Refused              the server returned an error; ``status`` and ``reason`` are the server's
"""

from typing import ClassVar

from copysight.errors import CopysightError


class ClientError(CopysightError):
    """A call to the server failed."""

    code: ClassVar[str] = "client_error"


class ServerUnreachable(ClientError):
    """There was no response, or no valid one."""

    code: ClassVar[str] = "server_unreachable"


class Refused(ClientError):
    """The server returned an error: HTTP ``status``, error code as ``reason``, message as ``detail``."""

    code: ClassVar[str] = "refused"

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(f"{detail} ({reason}, {status})", status=status, reason=reason)
        self.status, self.reason, self.detail = status, reason, detail
