"""Folders of files, compared by name and content."""

import hashlib
import pathlib

# Files beside those of a model. MLflow itself stores and loads these names on every backend.
EXTRA_FILES = {
    "notes/read me.txt": b"a space in the name\n",
    "notes/gr\u00fc\u00dfe/\u65e5\u672c.txt": b"a name in Unicode\n",
    "notes/deep/er/est/bytes.bin": bytes(range(256)) * 300,
    "notes/empty": b"",
    "notes/plus+and&=;,@$!'().txt": b"marks\n",
}


def digest(data):
    return hashlib.sha256(data).hexdigest()


def digests(folder):
    """The files below a folder, by their relative names; but for registered_model_meta, which
    MLflow's client adds."""
    files = sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): digest(path.read_bytes())
        for path in files
        if path.name != "registered_model_meta"
    }
