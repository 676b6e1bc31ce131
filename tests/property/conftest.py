"""Laws run the same lines hundreds of times: coverage is measured by the unit tests, and paused for most of them."""

from pathlib import Path

import pytest

#: They alone reach some lines of rooms that must be covered whole.
_MEASURED = frozenset({"test_lab_exchange_laws.py", "test_liqmap_laws.py", "test_margin_laws.py"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the others of this folder."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name not in _MEASURED:
            item.add_marker("unmeasured")
