"""YAML files of a model, as texts: every scalar stays the text that stands in the file.

PyYAML reads them where it is installed. An interpreter that is only to build an environment may
lack it, and for that the reader below knows what MLflow itself writes (`yaml.safe_dump` with
`default_flow_style=False`): mappings and sequences in blocks, scalars plain or in quotes.
"""

import re

from mlrace.problem import Problem

_KEY = re.compile(
    r"""("(?:\\.|[^"\\])*"|'(?:''|[^'])*'|[^\s"'#&*!|>%@`\[\]{},-].*?)\s*:(?:\s+|$)"""
)
_QUOTED = {
    '"': re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
    "'": re.compile(r"'([^']*(?:''[^']*)*)'"),
}
_BREAKS = re.compile(r" *\n[ \n]*")
_ESCAPE = re.compile(r"\\(?P<code>x..|u....|U.{8})|\\(?P<letter>\n *|.)| *\n[ \n]*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b"}
_ESCAPES.update({"a": "\a", "b": "\b", "v": "\v", "f": "\f", "N": "\x85", "_": "\xa0"})
_ESCAPES.update({"L": "\u2028", "P": "\u2029"})


def read(path):
    """The content of a file: dicts, lists and texts. Problem when it cannot be read."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: cannot be read: {error}") from None
    try:
        import yaml
    except ImportError:
        return _read_blocks(text, path)
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise Problem(f"{path}: not YAML: {error}") from None


def _read_blocks(text, path):
    reader = _Blocks(text.split("\n"))
    try:
        reader.skip()
        value = reader.block(0) if reader.lines else ""
        reader.skip()
        if reader.lines:
            raise ValueError("expected the end of the file")
        return value
    except (ValueError, OverflowError, RecursionError) as error:
        line = max(len(text.split("\n")) - len(reader.lines), 1)
        raise Problem(
            f"{path}, near line {line}: {error}; written otherwise than MLflow writes it, this can "
            "be read where PyYAML is installed: pip install pyyaml"
        ) from None


class _Blocks:
    """A recursive descent over lines; lines[-1] is the next one, so that taking it is cheap."""

    def __init__(self, lines):
        self.lines = lines[::-1]

    def skip(self):
        """Leaves out blank lines, comments and the start of the document."""
        while self.lines and re.match(r"\s*(#.*)?$|---\s*$", self.lines[-1]):
            self.lines.pop()

    def indent(self):
        """The column of the next line's first character; -1 at the end."""
        self.skip()
        return len(self.lines[-1]) - len(self.lines[-1].lstrip(" ")) if self.lines else -1

    def block(self, least):
        """The sequence, mapping or scalar that starts in the next line, from column least on."""
        indent = self.indent()
        if indent < least:
            return ""
        text = self.lines[-1][indent:]
        if _is_item(text):
            return self.sequence(indent)
        if _KEY.match(text):
            return self.mapping(indent)
        self.lines.pop()
        return self.scalar(text, least)

    def sequence(self, indent):
        items = []
        while self.indent() == indent and _is_item(self.lines[-1][indent:]):
            # What follows the dash stands in a column of its own.
            self.lines[-1] = " " * (indent + 1) + self.lines[-1][indent + 1 :]
            items.append(self.block(indent + 1))
        return items

    def mapping(self, indent):
        pairs = {}
        while self.indent() == indent:
            match = _KEY.match(self.lines[-1][indent:])
            if not match:
                break
            quoted = match[1][0] in _QUOTED and _QUOTED[match[1][0]].match(match[1])
            key = _unquoted(quoted) if quoted else match[1]
            text = self.lines.pop()[indent + match.end() :]
            if text and not text.startswith("#"):
                pairs[key] = self.scalar(text, indent + 1)
            elif self.indent() == indent and _is_item(self.lines[-1][indent:]):
                pairs[key] = self.sequence(indent)
            else:
                pairs[key] = self.block(indent + 1)
        return pairs

    def scalar(self, text, least):
        """A scalar that starts with text and goes on in lines from column least on."""
        first = text[0]
        if first in _QUOTED:
            return self.quoted(text)
        if text.strip(" ") in ("[]", "{}"):
            return [] if first == "[" else {}
        if first in "[{&*!%@`|>":
            raise ValueError(f"unexpected {text[:40]!r}")
        return " ".join([re.sub(r"\s#.*", "", text).strip(" "), *self.deeper(least)])

    def quoted(self, text):
        """A scalar in quotes that starts with text and ends where its quote does."""
        match = _QUOTED[text[0]].match("\n".join([text, *reversed(self.lines)]))
        if not match:
            raise ValueError("a quote is not closed")
        for _ in range(match[0].count("\n")):
            self.lines.pop()
        return _unquoted(match)

    def deeper(self, least):
        """Takes the lines that continue a scalar, without what surrounds them."""
        taken = []
        while self.indent() >= least:
            taken.append(self.lines.pop().strip(" "))
        return taken


def _is_item(text):
    return text == "-" or text.startswith("- ")


def _unquoted(match):
    """The text that a match of _QUOTED stands for."""
    if match[0][0] == "'":
        return _BREAKS.sub(_folded, match[1]).replace("''", "'")
    return _ESCAPE.sub(_unescaped, match[1])


def _folded(match):
    """A line break within quotes is a blank; of several the first is left out."""
    return "\n" * (match[0].count("\n") - 1) or " "


def _unescaped(match):
    code, letter = match["code"], match["letter"]
    if code:
        return chr(int(code[1:], 16))
    if letter:
        return "" if letter[0] == "\n" else _ESCAPES.get(letter, letter)
    return _folded(match)
