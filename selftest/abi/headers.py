# SPDX-License-Identifier: MIT
"""The public headers, as the tests of the interface read them."""

import pathlib
import re

# A definition begins at the start of a line, and its "};" does, too: clang-format sees to that.
STRUCT = re.compile(r"^struct (mayfly_\w+) \{\n(.*?)^\};\n", re.M | re.S)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
FIELD = re.compile(r"(\w+)(\[\w+\])?\s*(?:,|$)")
FUNCTION = re.compile(r"\(\*(\w+)\)\s*\(.*\)$", re.S)  # a pointer to one


def read(include):
    """Returns {file: text} of the public headers."""
    return {path.name: path.read_text() for path in sorted((pathlib.Path(include) / "mayfly").glob("*.h"))}


def structs_of(text):
    """Returns {struct: [fields]} of the public structs that a text defines."""
    found = {}
    for name, body in STRUCT.findall(text):
        declarations = [FUNCTION.sub(r"\1", d.strip()) for d in COMMENT.sub("", body).split(";") if d.strip()]
        found[name] = [field for d in declarations for field, _ in FIELD.findall(d)]
    return found


def structs(include):
    """Returns {struct: [fields]} of all public structs, in the order of the headers."""
    return {name: fields for text in read(include).values() for name, fields in structs_of(text).items()}


def embedded(include):
    """Returns "STRUCT: DECLARATION" of each field that is a public struct itself and not a pointer to one."""
    bad = []
    for text in read(include).values():
        for name, body in STRUCT.findall(text):
            for declaration in COMMENT.sub("", body).split(";"):
                if re.search(r"\bstruct mayfly_\w+\s+\w", declaration) and "*" not in declaration:
                    bad.append(f"{name}: {' '.join(declaration.split())}")
    return bad
