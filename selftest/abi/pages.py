# SPDX-License-Identifier: MIT
"""Manual pages of section 3, as the tests of the interface read them."""

import re

ESCAPES = {"-": "-", "e": "\\", "&": "", "(dq": '"', "(aq": "'", "(lq": '"', "(rq": '"', "(bu": "*", " ": " "}
FONTS = {"B": "BB", "I": "II", "BR": "BR", "BI": "BI", "IR": "IR", "IB": "IB", "RB": "RB", "RI": "RI"}
PROTOTYPE = re.compile(r"([a-z][\w ]*?[ *]+(?:const \*\s*)?)(mayfly_\w+)\(((?:[^()]|\([^()]*\))*)\);", re.S)


def plain(text):
    """The text without escapes."""
    return re.sub(r"\\(f.|\(..|.)", lambda match: "" if match[1][0] == "f" else ESCAPES[match[1]], text)


def words(arguments):
    """The arguments of a macro."""
    return [quoted if quoted else bare for quoted, bare in re.findall(r'"([^"]*)"?|(\S+)', arguments)]


def pieces(line):
    """Yields (font, text) of a line, which may begin with a macro."""
    macro = re.match(r"\.([BIR]{1,2}) +(.*)", line)
    if macro and macro[1] in FONTS:
        arguments = words(macro[2])
        if len(macro[1]) == 1:
            arguments = [" ".join(arguments)]
        parts = [(FONTS[macro[1]][i % 2], argument) for i, argument in enumerate(arguments)]
    else:
        parts = [] if line.startswith(".") else [("R", line)]
    for font, text in parts:
        before = font
        for change, run in re.findall(r"(?:^|\\f(.))((?:(?!\\f).)*)", text):
            font, before = (before if change == "P" else change or font), font
            yield font, plain(run)


def shown(line):
    """The line as a reader sees it."""
    return "".join(text for _, text in pieces(line))


class Page:
    """A page: what each part of it says."""

    def __init__(self, name, text):
        self.name = name
        sections = dict(re.findall(r"^\.SH (.*?)\n(.*?)(?=^\.SH |\Z)", text, re.M | re.S))
        lines = text.splitlines()
        self.text = "\n".join(shown(line) for line in lines if not line.startswith(r".\""))
        self.names = set(re.split(r",\s*", shown(" ".join(sections["NAME"].splitlines())).split(" - ")[0]))
        self.read_synopsis([shown(line) for line in sections["SYNOPSIS"].splitlines()])
        self.examples = list(self.read_examples(lines))
        italics = {text.strip(" *") for line in lines for font, text in pieces(line) if font == "I"}
        self.italics = {word for word in italics if re.fullmatch(r"[a-z_][a-z0-9_]*", word)}

    def read_synopsis(self, lines):
        code = "\n".join(lines)
        self.includes = re.findall(r"^#include .*", code, re.M)
        self.typedefs = [" ".join(found.split()) for found in re.findall(r"^typedef .*?;", code, re.M | re.S)]
        # (type of the result, name, parameters)
        self.prototypes = [tuple(" ".join(part.split()) for part in found) for found in PROTOTYPE.findall(code)]
        self.macros = {name for name in re.findall(r"^(MAYFLY_\w+|mayfly_cmocka_\w+|assert_\w+)\b", code, re.M)}
        self.placeholders = {word for line in re.findall(r"^(?:MAYFLY_|mayfly_|assert_).*", code, re.M)
                             for word in re.findall(r"\b[a-z_]+\b", line)}

    def read_examples(self, lines):
        """Yields (number of the line, code) of each example."""
        begin, section = 0, ""
        for number, line in enumerate(lines, 1):
            section = line[4:] if line.startswith(".SH ") else section
            if line == ".nf" and section != "SYNOPSIS":
                begin = number
            elif line == ".fi" and begin:
                code = [shown(inner) for inner in lines[begin:number - 1]]
                yield begin + 1, "\n".join(code).strip("\n") + "\n"
                begin = 0
