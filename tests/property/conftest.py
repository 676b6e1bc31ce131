"""Laws run the same lines hundreds of times: coverage is measured by the unit tests, and paused for them."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of this folder."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("unmeasured")
