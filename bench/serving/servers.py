"""The servers of the comparison, an entry each: how it is started and asked."""

import json
import pathlib

from measure import N_SERVER_CORES, ROOT, free_port, mlrace_command, output
from serving import environments

# Worker processes of a server that has several: as many as the machine has cores.
N_WORKERS = max(2, 2 * N_SERVER_CORES)
MLFLOW_FORMATS = ("split", "records", "csv")


class Server:
    """What has a name in the results, a label on the page, and these parts:

    environment  whose Python runs it; that of MLflow has mlrace's own workers
    path         where it is asked
    formats      of MLflow's that it reads
    digits       how far its answers may be from MLflow's, relatively
    is_restless  it takes processor time while nobody asks: stopped while others are measured
    """

    environment, path, formats, digits = "mlflow", "/invocations", MLFLOW_FORMATS, 1e-12
    is_restless = False

    def __init__(self, name, label):
        self.name, self.label = name, label

    def command(self, model, port, folder):
        """The command line; `folder` is the server's own, its working folder."""
        raise NotImplementedError

    def bodies(self, model_folder, format_, n_rows):
        """The files of such requests."""
        return sorted(pathlib.Path(model_folder).glob(f"{format_}-{n_rows}-*"))

    def predictions(self, answer):
        """What is compared with MLflow's answer."""
        return json.loads(answer)["predictions"]

    def python(self):
        return environments.python(self.environment)


class Mlrace(Server):
    def __init__(self, name, label, *flags):
        super().__init__(name, label)
        self.flags = flags

    def command(self, model, port, folder):
        return mlrace_command(model, port, *self.flags)


class Mlflow(Server):
    def __init__(self, name, label, n_workers):
        super().__init__(name, label)
        self.n_workers = n_workers

    def command(self, model, port, folder):
        mlflow = self.python().parent / "mlflow"
        return [
            mlflow, "models", "serve", "-m", model, "-p", port, "-w", self.n_workers,
            "--env-manager", "local",
        ]  # fmt: skip


class MLServer(Server):
    """Parallel workers and adaptive batching, as its documentation shows for throughput; asked by
    the V2 protocol, the only one that it batches."""

    environment, path, formats = "mlserver", "/v2/models/model/infer", ("split",)
    digits = 1e-5  # float32, whose sums also depend on what is batched together

    def command(self, model, port, folder):
        settings = {
            "http_port": port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "parallel_workers": N_WORKERS,
            "debug": False,
        }
        served = {
            "name": "model",
            "implementation": "mlserver_mlflow.MLflowRuntime",
            "parameters": {"uri": str(model)},
            "max_batch_size": 64,
            "max_batch_time": 0.005,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(served))
        return [self.python().parent / "mlserver", "start", folder]

    def bodies(self, model_folder, format_, n_rows):
        return super().bodies(model_folder, "v2", n_rows)

    def predictions(self, answer):
        return json.loads(answer)["outputs"][0]["data"]


class LitServe(Server):
    """bench/serving/litserve_app.py: workers and batching as for MLServer."""

    environment, path, formats, digits = "litserve", "/predict", ("split",), 1e-5
    is_restless = True  # a tenth of a core

    def command(self, model, port, folder):
        app = pathlib.Path(__file__).with_name("litserve_app.py")
        return [self.python(), app, model, port, N_WORKERS]


NGINX_CONF = """
daemon off; master_process off; worker_processes {cores};
pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000; default_type application/json;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{answer}'; }} }}
}}
"""


def nginx_command(port, folder, answer='{"predictions": [0]}'):
    config = pathlib.Path(folder) / "nginx.conf"
    text = NGINX_CONF.format(folder=folder, port=port, answer=answer, cores=N_SERVER_CORES)
    if N_SERVER_CORES > 1:
        text = text.replace("master_process off; ", "")
    config.write_text(text)
    return [nginx(), "-p", folder, "-c", config, "-e", f"{folder}/error"]


def nginx():
    return output(ROOT / "scripts/nginx")


class Nginx(Server):
    """A constant of the size of an answer: what the machine's network stack allows a good server
    that does not look at the request."""

    formats = ("split",)

    def command(self, model, port, folder):
        return nginx_command(port, folder)


SERVERS = {
    server.name: server
    for server in (
        Mlflow("mlflow", "MLflow, 1 worker", 1),
        Mlflow("mlflow-n", f"MLflow, {N_WORKERS} workers", N_WORKERS),
        MLServer("mlserver", "MLServer"),
        LitServe("litserve", "LitServe"),
        Mlrace("mlrace", "mlrace"),
        Mlrace("mlrace-batch", "mlrace --batch", "--batch"),
        Nginx("nginx", "nginx, a constant"),
    )
}
