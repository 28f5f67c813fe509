#!/usr/bin/env python3
"""A file scored by a script of a few lines: batch_script.py LIBRARY MODEL ROWS.csv OUT.csv

LIBRARY: sklearn or xgboost, without MLflow.
"""

import sys

import pandas as pd


def load(library, model):
    if library == "sklearn":
        import skops.io

        return skops.io.load(f"{model}/model.skops")
    import xgboost

    regressor = xgboost.XGBRegressor()
    regressor.load_model(f"{model}/model.ubj")
    return regressor


library, model, rows, out = sys.argv[1:]
predictions = load(library, model).predict(pd.read_csv(rows))
pd.DataFrame({"predictions": predictions}).to_csv(out, index=False)
