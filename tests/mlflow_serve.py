#!/usr/bin/env python3
"""`mlflow models serve` without its imports: for tests that ask it about many models.

    mlflow_serve.py template SOCKET                 imports MLflow once; ends with its parent
    mlflow_serve.py serve SOCKET -m MODEL -p PORT   a server: a fork of the template

The command itself imports MLflow twice, in its own process and in uvicorn's: seven seconds of a
processor, more than all that the tests ask of a model. A fork has imported what both import, and
then runs uvicorn's main with the arguments and the environment that MLflow itself makes for it.
tests/parity/test_serve.py holds it to the answers of the command.
"""

import argparse
import json
import os
import shlex
import signal
import socket
import sys
import threading
import time

KIND = socket.AF_UNIX, socket.SOCK_SEQPACKET  # an environment arrives in one piece


def template(path):
    parent = os.getppid()
    import_what_servers_import()
    listener = socket.socket(*KIND)
    listener.bind(path)
    listener.listen()
    listener.settimeout(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for forks
    while os.getppid() == parent:
        try:
            client, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            fork(client)
        client.close()


def import_what_servers_import():
    """But no model, and not the app itself, which loads one."""
    import lightgbm
    import mlflow.lightgbm
    import mlflow.pyfunc.scoring_server
    import mlflow.sklearn
    import mlflow.xgboost
    import pyarrow
    import skops.io
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.pipeline
    import uvicorn.lifespan.on
    import uvicorn.loops.auto
    import uvicorn.main
    import uvicorn.protocols.http.auto
    import uvicorn.protocols.websockets.auto
    import xgboost


def fork(client):
    """Takes a client's place, environment and outputs, and serves until it is gone."""
    message, outputs, _, _ = socket.recv_fds(client, 1 << 20, 2)
    asked = json.loads(message)
    for target, output in enumerate(outputs, 1):
        os.dup2(output, target)
        os.close(output)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["env"])
    threading.Thread(target=end_with, args=(client,), daemon=True).start()

    from mlflow.pyfunc import scoring_server
    from uvicorn.main import main

    command, env = scoring_server.get_cmd(asked["model"], asked["port"], "127.0.0.1", None, 1)
    program, *arguments = shlex.split(command)
    assert program == "uvicorn"
    os.environ.update(env)
    main(arguments)


def end_with(client):
    client.recv(1)  # it says nothing: it is gone
    os.kill(os.getpid(), signal.SIGKILL)


def serve(path, model, port):
    link = connect(path)
    asked = {"model": model, "port": port, "folder": os.getcwd(), "env": dict(os.environ)}
    socket.send_fds(link, [json.dumps(asked).encode()], [1, 2])
    link.recv(1)  # the fork says nothing: it is gone
    return 1


def connect(path):
    """To the template, once it is ready: those who start servers have time limits of their own."""
    while True:
        link = socket.socket(*KIND)
        try:
            link.connect(path)
            return link
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["template", "serve"])
    parser.add_argument("socket")
    parser.add_argument("-m", dest="model")
    parser.add_argument("-p", dest="port", type=int)
    args = parser.parse_args()
    if args.role == "template":
        return template(args.socket)
    return serve(args.socket, args.model, args.port)


if __name__ == "__main__":
    sys.exit(main())
