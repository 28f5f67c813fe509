"""Are two answers the same? MLflow's own decide, however a server has written them."""

import math


def difference(reference, answer):
    """The largest relative difference of two numbers, 0 for equal answers; None where they differ
    in anything but floats. `answer` may be flat, or in a dict, where MLflow's is not."""
    expected, given = leaves(reference), leaves(answer)
    if len(expected) != len(given):
        return None
    worst = 0.0
    for one, other in zip(expected, given):
        if one == other or (one != one and other != other):
            continue
        if not isinstance(one, (int, float)) or not isinstance(other, (int, float)):
            return None
        if isinstance(one, int) or not (math.isfinite(one) and math.isfinite(other)):
            return None
        worst = max(worst, abs(one - other) / max(abs(one), abs(other)))
    return worst


def leaves(value):
    """The values of nested lists and dicts, in order."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]
