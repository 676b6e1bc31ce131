"""Many clients at once, some of whom read nothing: the others get everything in time, and the heart does not notice."""

from typing import Any

import pytest

from tests.push_load import load


def judged(found: dict[str, dict[str, Any]], reading: int, share: float, late_ms: float) -> None:
    """Everything was delivered in time, nothing was dropped, and the heart owes nobody anything."""
    heart, clients = found["heart"], found["clients"]
    print(found)
    assert clients["delivered"] >= share * reading * heart["updates"]  # two updates may become one
    assert clients["rows_least"] == heart["rows"]
    assert clients["dropped"] == 0
    assert heart["queued"] == heart["dropped"] == found["after"]["missed"] == 0
    assert clients["p99_ms"] < late_ms


def test_a_crowd_is_served_while_some_of_it_sleeps() -> None:
    """A heart on a bus, a face, forty clients of whom two read nothing: every row to every reader. Keeps G1."""
    judged(load(3.0, 38, 2), 38, 0.5, 1_000.0)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_five_hundred_clients_for_a_minute() -> None:
    """Ten updates a second, one client in twenty stalled and closed; memory flat, the heart as without clients.

    Keeps G1, G6.
    """
    alone, crowd = load(20.0, 1, 0), load(60.0, 475, 25)
    judged(crowd, 475, 0.97, 100.0)
    assert crowd["after"]["closed"] == 25
    assert crowd["after"]["connections"] == 475
    assert crowd["after"]["rss"] - crowd["before"]["rss"] < 10.0
    quiet_ms, busy_ms = alone["heart"]["state_ms_p50"], crowd["heart"]["state_ms_p50"]
    print(f"heart's state: {quiet_ms:.2f} ms with one client, {busy_ms:.2f} ms with five hundred")
    assert busy_ms < 1.5 * quiet_ms + 1.0
