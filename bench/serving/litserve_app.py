#!/usr/bin/env python3
"""A MLflow model behind LitServe: litserve_app.py MODEL PORT WORKERS

The requests are MLflow's; those that come together are one DataFrame or array for the model.
"""

import sys

import litserve
import mlflow
import numpy as np
import pandas as pd


class Invocations(litserve.LitAPI):
    def setup(self, device):
        self.model = mlflow.pyfunc.load_model(sys.argv[1])

    def decode_request(self, request):
        if "inputs" in request:
            return np.asarray(request["inputs"], dtype=np.float32)
        return pd.DataFrame(**request["dataframe_split"])

    def batch(self, inputs):
        is_table = isinstance(inputs[0], pd.DataFrame)
        together = pd.concat(inputs, ignore_index=True) if is_table else np.concatenate(inputs)
        return together, np.cumsum([len(one) for one in inputs])

    def predict(self, batch):
        together, ends = batch
        answer = self.model.predict(together)
        return next(iter(answer.values())) if isinstance(answer, dict) else answer, ends

    def unbatch(self, output):
        answer, ends = output
        return [np.asarray(part) for part in np.split(np.asarray(answer), ends[:-1])]

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    api = Invocations(max_batch_size=64, batch_timeout=0.005)
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=int(sys.argv[3]), timeout=False
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), log_level="error", generate_client_file=False
    )
