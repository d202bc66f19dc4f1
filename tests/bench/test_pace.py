"""Reconciliation keeps its promise through an outage if the budget allows it, and says so if not."""

from datetime import timedelta

import pytest

from bench.pace import EVERY, play


@pytest.fixture(autouse=True)
def _longer_rounds(monkeypatch):
    """Play a third of the rounds, each with three times the budget."""
    monkeypatch.setattr("bench.pace.ROUND", timedelta(minutes=30))


@pytest.mark.slow
def test_each_item_is_reconciled_in_time_and_every_silent_one_is_fetched_after_an_outage(database):
    played = play(database, 500)

    assert played.oldest <= EVERY
    assert played.silent_after is not None
    assert played.silent_after < timedelta(hours=12)


@pytest.mark.slow
def test_what_the_budget_cannot_serve_is_late_and_not_forgotten(database, monkeypatch):
    monkeypatch.setattr("bench.pace.PER_MINUTE", 0.2)
    monkeypatch.setattr("bench.pace.UPDATES_A_DAY", 0)

    played = play(database, 800, addresses=1)

    assert played.oldest > EVERY
