"""Fixtures: a store, and an empty cache."""

import pytest
from opening import Here
from store_server import Store


@pytest.fixture
def store():
    store = Store()
    yield store
    store.close()


@pytest.fixture
def here(tmp_path, store):
    return Here(tmp_path, store)
