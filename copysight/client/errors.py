"""What a call of the client can raise.

CopysightError
└── ClientError
    ├── ServerUnreachable    no answer came, or none that could be read
    └── Refused              the server answered with an error; ``code`` and ``status`` are the server's
"""

from typing import ClassVar

from copysight.errors import CopysightError


class ClientError(CopysightError):
    """A call to a server that gave no result."""

    code: ClassVar[str] = "client_error"


class ServerUnreachable(ClientError):
    """No answer came, or none that could be read."""

    code: ClassVar[str] = "server_unreachable"


class Refused(ClientError):
    """The server answered with an error: its HTTP ``status``, its stable ``reason``, its words."""

    code: ClassVar[str] = "refused"

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(f"{detail} ({reason}, {status})", status=status, reason=reason)
        self.status, self.reason, self.detail = status, reason, detail
