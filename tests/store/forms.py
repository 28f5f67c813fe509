"""The table of model URIs: every form, on every backend that has it."""

BACKENDS = ["sqlite", "files", "server", "auth", "tls", "s3"]

# MLflow's default registry, with no tracking server in between.
LOCAL = ["sqlite", "files"]
PROXY = ["server", "auth", "tls"]

# (what the form is, the URI, the backends that have it)
FORMS = [
    ("runs:/ logged model", "runs:/{run}/model", BACKENDS),
    ("runs:/ logged model, unicode", "runs:/{run}/my m\u00f6del", BACKENDS),
    ("runs:/ run's artifact", "runs:/{run}/classic", BACKENDS),
    ("runs:/ run's artifact, nested", "runs:/{run}/deep/er/m\u00f6del two", BACKENDS),
    ("runs:/// run's artifact", "runs:///{run}/classic", BACKENDS),
    ("models:/ model id", "models:/{model_id}", BACKENDS),
    ("models:/ version of a logged model", "models:/iris/1", BACKENDS),
    ("models:/ version of a run's artifact", "models:/iris/2", BACKENDS),
    ("models:/ version, trailing slash", "models:/iris/3/", BACKENDS),
    ("models:/ version, unicode name", "models:/my iris \u00fc/1", BACKENDS),
    ("models:/ latest", "models:/iris/latest", BACKENDS),
    ("models:/ LATEST", "models:/iris/LATEST", BACKENDS),
    ("models:/ alias", "models:/iris@champion", BACKENDS),
    ("models:/ alias with signs", "models:/iris@Contender_2-b", BACKENDS),
    ("models:/ alias, unicode name", "models:/my iris \u00fc@champion", BACKENDS),
    ("models:/ stage", "models:/iris/Production", BACKENDS),
    ("models:/ stage in lower case", "models:/iris/staging", BACKENDS),
    ("models:/ stage None", "models:/iris/None", BACKENDS),
    ("artifact URI of a run", "{artifacts}/classic", BACKENDS),
    ("artifact URI of a logged model", "{location}", BACKENDS),
    ("path", "{artifacts_path}/classic", LOCAL),
    ("file: path", "file:{artifacts_path}/classic", LOCAL),
    ("file://", "file://{artifacts_path}/classic", LOCAL),
    ("mlflow-artifacts://host", "mlflow-artifacts://{host}{artifacts_path}/classic", PROXY),
    ("http(s)://", "{url}/api/2.0/mlflow-artifacts/artifacts{artifacts_path}/classic", PROXY),
]
CELLS = [(backend, name) for name, _, having in FORMS for backend in having]
TEMPLATES = {name: template for name, template, _ in FORMS}
