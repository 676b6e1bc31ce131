"""The keys one heart uses in Redis; docs/bus.md lists them."""

import re

from perpscope.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Keys:
    """Names of everything that belongs to the heart called `name`."""

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                "bus-name",
                f"{name!r} cannot name a heart in Redis: letters, digits, dot, dash and underscore, up to 64",
            )
        self.stream = f"perpscope:{name}:stream"
        self.states = f"perpscope:{name}:states"
        self.heart = f"perpscope:{name}:heart"
        self._prefix = f"perpscope:{name}"

    def dead(self, group: str) -> str:
        """Stream of what no member of a group could read."""
        return f"{self._prefix}:dead:{group}"

    def done(self, group: str) -> str:
        """Set of messages that are done with, of entries that are not."""
        return f"{self._prefix}:done:{group}"

    def tries(self, group: str) -> str:
        """Hash: how often a message was told again."""
        return f"{self._prefix}:tries:{group}"

    def answer(self, key: str) -> str:
        """One cached answer."""
        return f"{self._prefix}:cache:{key}"
