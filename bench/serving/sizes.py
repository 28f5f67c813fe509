"""What is installed of a server, in megabytes, and nginx' version."""

import functools
import re

from measure import ROOT, output
from serving import environments
from serving.servers import SERVERS, nginx


@functools.cache
def program_mb(path):
    """A program and the libraries that it loads."""
    loaded = re.findall(r"(/\S+) \(0x", output("ldd", path))
    return sum(file.stat().st_size for file in {path, *map(type(path), loaded)}) / 1e6


def installed_mb(name):
    if name == "mlrace":
        return program_mb(ROOT / "build/mlrace")
    if name == "nginx":
        return program_mb(ROOT / nginx())
    if name in ("mlflow", "mlserver", "litserve"):
        return environments.site_packages_mb(SERVERS[name].environment)
    return None


def nginx_version():
    return output(nginx(), "-v").split(": ")[1]
