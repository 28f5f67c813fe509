"""What the comparisons share: a tool_predict, and the order of the tests of test_serve.py."""

import pytest
from predictor import Predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """Engines without a server: see predictor.py."""
    predictor = Predictor(tmp_path_factory.mktemp("models"))
    yield predictor
    predictor.close()


def pytest_collection_modifyitems(items):
    """Puts the tests of one model of test_serve.py together, so that its servers start once."""
    order = {}
    for item in items:
        order.setdefault(model_of(item), len(order))
    items.sort(key=lambda item: order[model_of(item)])


def model_of(item):
    params = getattr(getattr(item, "callspec", None), "params", {})
    return (item.path, params.get("model") if item.path.name == "test_serve.py" else None)
