"""Make examples/iris/model: a logistic regression on the iris data, saved by MLflow itself.

    pip install mlflow==3.17.2 scikit-learn pandas skops
    python examples/iris/train.py

Nothing is sent anywhere: no tracking server, no registry.
"""

import shutil
from importlib.metadata import version
from pathlib import Path

import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

MODEL = Path(__file__).resolve().parent / "model"


def main():
    iris = load_iris(as_frame=True)
    X, y = iris.data, iris.target
    model = LogisticRegression(max_iter=1000, random_state=0).fit(X, y)
    shutil.rmtree(MODEL, ignore_errors=True)
    mlflow.sklearn.save_model(
        model,
        MODEL,
        signature=infer_signature(X, model.predict(X)),
        input_example=X.iloc[[0, 50, 100]].reset_index(drop=True),
        serialization_format="skops",
        # Inferred requirements would list whatever this environment happens to import.
        pip_requirements=[
            f"{name}=={version(name)}"
            for name in ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")
        ],
    )
    print(f"saved {MODEL}")


if __name__ == "__main__":
    main()
