"""Answers to calls that were asked together: one prediction for the rows of all, taken apart.

Each call is to get, to the last bit, what the model said of its rows. So only what holds one entry
for each row, in the order of the rows, is taken apart; any other prediction, or an exception, has
the server ask each call alone.
"""

import numpy as np
import pandas as pd

from . import answers, wire


def encode(prediction, parts, is_nan_literal):
    """The parts of a RESULT's payload.

    parts  how many rows each of the calls has
    """
    try:
        if not _has_rows(prediction, sum(parts)):
            return alone(is_final=True)
        arrays = answers.encode_arrays(prediction, 0)  # which the server takes apart
        if arrays:
            return arrays
        texts = []
        for rows in _slices(prediction, parts):
            texts.append(answers.to_json(rows, is_nan_literal))
        return (wire.write_texts(texts),)
    except BaseException:
        return alone()  # whose fault it is will be seen then


def alone(is_final=False):
    """The RESULT's payload that has each call asked alone.

    is_final  it would be the same with other calls: the model does not answer row by row
    """
    return (wire.write_alone(is_final),)


def _has_rows(prediction, n_rows):
    """Whether a prediction holds an entry for each row, in their order."""
    kind = type(prediction)
    if kind is np.ndarray:
        return prediction.ndim > 0 and len(prediction) == n_rows
    if kind is pd.DataFrame or kind is pd.Series:
        return prediction.index.equals(pd.RangeIndex(n_rows))
    return kind in (list, tuple) and len(prediction) == n_rows


def _slices(prediction, parts):
    rows = prediction.iloc if isinstance(prediction, (pd.DataFrame, pd.Series)) else prediction
    start = 0
    for n_rows in parts:
        yield rows[start : start + n_rows]
        start += n_rows
