"""Ignore variables that a container platform sets for a service of the same name (service links).

For a Service named ``copysight``, Kubernetes sets COPYSIGHT_PORT=tcp://10.0.0.1:80 in every pod of the namespace, and
so do Docker's legacy links. That is the name of a setting. Source: Kubernetes, "Accessing Services from a Pod".
"""

import logging
import re
from typing import Any

from pydantic_settings import EnvSettingsSource

log = logging.getLogger("copysight.settings")
PORT_NAME = re.compile(r"(.*_)?port", re.IGNORECASE)
"""Names of settings that a link can set: a link has ``<NAME>_PORT``, and else names with a number or a suffix."""
LINK = re.compile(r"(tcp|udp|sctp)://\S+", re.IGNORECASE)


class Environment(EnvSettingsSource):
    """The COPYSIGHT_* variables, without those that are service links. Each one left out is logged."""

    def __call__(self) -> dict[str, Any]:
        """Values by the name of the setting."""
        return {name: value for name, value in super().__call__().items() if not self._is_link(name, value)}

    def _is_link(self, name: str, value: object) -> bool:
        found = bool(PORT_NAME.fullmatch(name)) and isinstance(value, str) and bool(LINK.fullmatch(value.strip()))
        if found:
            log.warning(
                "%s%s=%s is ignored: it is the address of a Kubernetes Service or a linked container, not a setting; "
                "set enableServiceLinks: false in the pod, or give a number",
                self.env_prefix, name.upper(), value,
            )  # fmt: skip
        return found
