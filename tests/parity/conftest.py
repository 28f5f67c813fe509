"""Puts the tests of one model of test_serve.py together, so that its servers start once."""


def pytest_collection_modifyitems(items):
    order = {}
    for item in items:
        order.setdefault(model_of(item), len(order))
    items.sort(key=lambda item: order[model_of(item)])


def model_of(item):
    params = getattr(getattr(item, "callspec", None), "params", {})
    return (item.path, params.get("model") if item.path.name == "test_serve.py" else None)
