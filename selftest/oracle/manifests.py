# SPDX-License-Identifier: MIT
"""Manifests, valid and not: single changes of a full valid one, some texts, and the tables in forms/."""

import copy
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))

FULL = {
    "acKind": "ImageManifest",
    "acVersion": "0.8.11",
    "name": "example.com/reduce-worker",
    "labels": [
        {"name": "version", "value": "1.0.0"},
        {"name": "arch", "value": "amd64"},
        {"name": "os", "value": "linux"},
    ],
    "app": {
        "exec": ["/usr/bin/reduce-worker", "--quiet"],
        "user": "100",
        "group": "300",
        "supplementaryGIDs": [400, 500],
        "eventHandlers": [
            {"name": "pre-start", "exec": ["/usr/bin/data-downloader"]},
            {"name": "post-stop", "exec": ["/usr/bin/deregister-worker", "--verbose"]},
        ],
        "workingDirectory": "/opt/work",
        "environment": [{"name": "DEBUG", "value": "true"}, {"name": "LEVEL", "value": "3"}],
        "mountPoints": [{"name": "database", "path": "/var/lib/db", "readOnly": True}, {"name": "work", "path": "/opt/work"}],
        "ports": [
            {"name": "health", "protocol": "tcp", "port": 4000, "socketActivated": True},
            {"name": "range", "protocol": "udp", "port": 5000, "count": 10},
        ],
        "isolators": [
            {"name": "resource/cpu", "value": {"request": "250m", "limit": "500m"}},
            {"name": "resource/memory", "value": {"limit": "1G"}},
            {"name": "os/linux/no-new-privileges", "value": True},
        ],
        "userAnnotations": {"Any Key": "x"},
        "userLabels": {"Any Key": "x"},
    },
    "dependencies": [
        {
            "imageName": "example.com/base",
            "imageID": "sha512-" + 128 * "0",
            "labels": [{"name": "os", "value": "linux"}, {"name": "env", "value": "canary"}],
            "size": 22017258,
        },
        {"imageName": "example.com/certificates"},
    ],
    "pathWhitelist": ["/etc/ca/example.com/crt", "/usr/bin/map-reduce-worker"],
    "annotations": [
        {"name": "authors", "value": "Carly Container <carly@example.com>"},
        {"name": "created", "value": "2014-10-27T19:32:27.67021798Z"},
        {"name": "documentation", "value": "https://example.com/docs"},
        {"name": "homepage", "value": "https://example.com"},
    ],
}

GONE = object()  # the member is taken out

# RULE (of APPC.md, "Image manifest"), then changes: (path, value). Each one alone leaves the manifest valid.
VALID = {
    "acKind, acVersion, name": [
        ("acVersion", "0.8.10"), ("acVersion", "0.1.0-rc1"), ("acVersion", "1.2.3+b"), ("name", "a"), ("name", "a/b_c~d.e-f"),
        ("name", "a" * 500),
    ],
    "members may be left out, or null": [
        (path, value)
        for path in ("labels", "app", "dependencies", "pathWhitelist", "annotations", "app.exec", "app.supplementaryGIDs",
                     "app.eventHandlers", "app.workingDirectory", "app.environment", "app.mountPoints", "app.ports", "app.isolators",
                     "app.userAnnotations", "app.userLabels", "dependencies[0].imageID", "dependencies[0].labels",
                     "dependencies[0].size", "app.ports[1].count", "app.ports[0].socketActivated", "app.mountPoints[0].readOnly")
        for value in (GONE, None)
    ],
    "empty lists and maps": [
        (path, [])
        for path in ("labels", "dependencies", "pathWhitelist", "annotations", "app.exec", "app.supplementaryGIDs", "app.eventHandlers",
                     "app.environment", "app.mountPoints", "app.ports", "app.isolators", "dependencies[0].labels")
    ] + [("app.userAnnotations", {}), ("app.userLabels", {})],
    "members nobody knows": [("more", 1), ("app.more", {"a": []}), ("labels[0].more", None), ("app.ports[0].more", "x")],
    "labels": [
        ("labels[0].value", ""), ("labels[0].value", "any\nthing \u00e4"), ("labels[1]", {"name": "x", "value": "y"}),
        ("labels[1].value", "aarch64"), ("labels[1].value", "ppc64le"), ("labels[0].name", "a.b_c"),
    ],
    "annotations": [
        ("annotations[1].value", "2014-10-27T19:32:27+01:00"), ("annotations[3].value", "http://example.com"),
        ("annotations[0].name", "appc.io/executor/supports-systemd-notify"), ("annotations[0].value", ""),
    ],
    "app.exec, user, group, supplementaryGIDs, workingDirectory": [
        ("app.exec", ["sh"]), ("app.exec", ["/bin/sh", "", "$HOME"]), ("app.user", "root"), ("app.user", "/etc/passwd"), ("app.user", " "),
        ("app.group", "0"), ("app.group", "/x"), ("app.supplementaryGIDs", [0]), ("app.supplementaryGIDs", [4294967294, 0]),
        ("app.workingDirectory", "/"), ("app.workingDirectory", ""), ("app.workingDirectory", "/a/../b"),
    ],
    "app.environment": [("app.environment[0].value", ""), ("app.environment[0].value", "$PATH=\n"), ("app.environment[0].name", "_.-9")],
    "app.eventHandlers": [("app.eventHandlers[0].name", "pre-start"), ("app.eventHandlers", [{"name": "post-stop", "exec": ["x"]}])],
    "app.mountPoints": [("app.mountPoints[0].path", "/"), ("app.mountPoints[0].readOnly", False), ("app.mountPoints[0].name", "0-a")],
    "app.ports": [
        ("app.ports[0].port", 1), ("app.ports[0].port", 65535), ("app.ports[0].count", 1), ("app.ports[1].count", 60536),
        ("app.ports[0].protocol", "sctp"), ("app.ports[0].socketActivated", False),
    ],
    "app.isolators": [
        ("app.isolators[2].value", False), ("app.isolators[0].value", {"limit": "1"}),
        ("app.isolators[0]", {"name": "os/linux/capabilities-retain-set", "value": {"set": ["CAP_KILL"]}}),
        ("app.isolators[0]", {"name": "my/own", "value": {"any": "thing"}}),
    ],
    "app.userAnnotations, userLabels": [("app.userAnnotations", {"": ""}), ("app.userLabels", {"\u00e4 b": "c"})],
    "dependencies": [
        ("dependencies[0].imageID", "sha512-0"), ("dependencies[0].size", 0), ("dependencies[0].size", 1 << 40),
        ("dependencies[0].labels[0].value", "freebsd"), ("dependencies[1].imageName", "example.com/base"),
    ],
    "pathWhitelist": [("pathWhitelist", ["/"]), ("pathWhitelist[0]", "/a b/\u00e4")],
}

WRONG_TYPES = {"a string": ("x", "s"), "a number": (7, "n"), "a list": ([], "l"), "an object": ({}, "o"), "a flag": (True, "b")}

# Members and the type each has.
TYPES = {
    "acKind": "s", "acVersion": "s", "name": "s", "labels": "l", "labels[0]": "o", "labels[0].name": "s", "labels[0].value": "s",
    "app": "o", "app.exec": "l", "app.exec[0]": "s", "app.user": "s", "app.group": "s", "app.supplementaryGIDs": "l",
    "app.supplementaryGIDs[0]": "n", "app.eventHandlers": "l", "app.eventHandlers[0]": "o", "app.eventHandlers[0].name": "s",
    "app.eventHandlers[0].exec": "l", "app.eventHandlers[0].exec[0]": "s", "app.workingDirectory": "s", "app.environment": "l",
    "app.environment[0]": "o", "app.environment[0].name": "s", "app.environment[0].value": "s", "app.mountPoints": "l",
    "app.mountPoints[0]": "o", "app.mountPoints[0].name": "s", "app.mountPoints[0].path": "s", "app.mountPoints[0].readOnly": "b",
    "app.ports": "l", "app.ports[0]": "o", "app.ports[0].name": "s", "app.ports[0].protocol": "s", "app.ports[0].port": "n",
    "app.ports[1].count": "n", "app.ports[0].socketActivated": "b", "app.isolators": "l", "app.isolators[0]": "o",
    "app.isolators[0].name": "s", "app.userAnnotations": "o", "app.userLabels": "o", "app.userLabels.Any Key": "s", "dependencies": "l",
    "dependencies[0]": "o", "dependencies[0].imageName": "s", "dependencies[0].imageID": "s", "dependencies[0].labels": "l",
    "dependencies[0].size": "n", "pathWhitelist": "l", "pathWhitelist[0]": "s", "annotations": "l", "annotations[0]": "o",
    "annotations[0].name": "s", "annotations[0].value": "s",
}

# Likewise, and each one alone makes it invalid.
INVALID = {
    "types": [(path, value) for path, type_ in TYPES.items() for value, its in WRONG_TYPES.values() if its != type_],
    "acKind, acVersion, name": [
        ("acKind", GONE), ("acKind", None), ("acKind", ""), ("acKind", "imagemanifest"), ("acKind", "PodManifest"), ("acVersion", GONE),
        ("acVersion", None), ("acVersion", ""), ("acVersion", "0.0.0"), ("acVersion", "0.8"), ("name", GONE), ("name", None), ("name", ""),
        ("name", "A"), ("name", "a b"), ("name", "a/"), ("name", "a//b"),
    ],
    "labels": [
        ("labels[0].name", "name"), ("labels[0].name", "os"), ("labels[0].name", "Version"), ("labels[0].name", ""), ("labels[0].name", GONE),
        ("labels[0].name", None), ("labels[0].value", GONE), ("labels[0].value", None), ("labels[0]", None), ("labels[2].value", "beos"),
        ("labels[2].value", ""), ("labels[1].value", "x86_64"), ("labels[1].value", ""), ("labels[2].value", "darwin"),
        ("labels[2].name", "x"),
    ],
    "annotations": [
        ("annotations[0].name", "created"), ("annotations[0].name", "A"), ("annotations[0].name", GONE), ("annotations[0].value", GONE),
        ("annotations[0]", None), ("annotations[1].value", "2014-10-27"), ("annotations[1].value", ""), ("annotations[2].value", "ftp://example.com"),
        ("annotations[2].value", "http://exa mple.com"), ("annotations[3].value", ""), ("annotations[3].value", "example.com"),
    ],
    "app.exec, user, group, supplementaryGIDs, workingDirectory": [
        ("app.exec[0]", ""), ("app.exec[1]", None), ("app.exec[0]", "/a\0b"), ("app.user", GONE), ("app.user", None), ("app.user", ""),
        ("app.group", GONE), ("app.group", None), ("app.group", ""), ("app.supplementaryGIDs[0]", -1), ("app.supplementaryGIDs[0]", 1.5),
        ("app.supplementaryGIDs[0]", 4294967295), ("app.supplementaryGIDs[0]", None), ("app.supplementaryGIDs[0]", "400"),
        ("app.workingDirectory", "opt"), ("app.workingDirectory", "./x"),
    ],
    "app.environment": [
        ("app.environment[0].name", "LEVEL"), ("app.environment[0].name", ""), ("app.environment[0].name", "1A"), ("app.environment[0].name", "A B"),
        ("app.environment[0].name", "A="), ("app.environment[0].name", GONE), ("app.environment[0].value", GONE), ("app.environment[0]", None),
        ("app.environment[0].value", "a\0b"),
    ],
    "app.eventHandlers": [
        ("app.eventHandlers[0].name", "post-stop"), ("app.eventHandlers[0].name", "start"), ("app.eventHandlers[0].name", ""),
        ("app.eventHandlers[0].name", "Pre-Start"), ("app.eventHandlers[0].name", GONE), ("app.eventHandlers[0].exec", GONE),
        ("app.eventHandlers[0].exec", []), ("app.eventHandlers[0]", None), ("app.eventHandlers[0].exec[0]", None),
    ],
    "app.mountPoints": [
        ("app.mountPoints[0].name", "work"), ("app.mountPoints[0].name", "a.b"), ("app.mountPoints[0].name", ""),
        ("app.mountPoints[0].name", GONE), ("app.mountPoints[0].path", GONE), ("app.mountPoints[0].path", ""),
        ("app.mountPoints[0].path", "var"), ("app.mountPoints[0]", None),
    ],
    "app.ports": [
        ("app.ports[0].port", 0), ("app.ports[0].port", 65536), ("app.ports[0].port", 70000), ("app.ports[0].port", -1), ("app.ports[0].port", 80.5),
        ("app.ports[0].port", GONE), ("app.ports[0].port", None), ("app.ports[1].count", 0), ("app.ports[1].count", -1),
        ("app.ports[1].count", 60537), ("app.ports[1].count", 65536), ("app.ports[1].count", 1 << 62), ("app.ports[0].protocol", GONE), ("app.ports[0].name", GONE),
        ("app.ports[0].name", "range"), ("app.ports[0].name", "Health"), ("app.ports[0].name", "a/b"), ("app.ports[0]", None),
        ("app.ports[0].socketActivated", 1),
    ],
    "app.isolators": [
        ("app.isolators[0].name", "A"), ("app.isolators[0].name", ""), ("app.isolators[0].name", GONE), ("app.isolators[0].value", GONE),
        ("app.isolators[0]", None),
    ],
    "app.userAnnotations, userLabels": [
        ("app.userAnnotations", {"a": 1}), ("app.userAnnotations", {"a": None}), ("app.userLabels", {"a": {}}), ("app.userLabels", {"a": ["b"]}),
    ],
    "dependencies": [
        ("dependencies[0].imageName", GONE), ("dependencies[0].imageName", ""), ("dependencies[0].imageName", "A"), ("dependencies[0]", None),
        ("dependencies[0].imageID", ""), ("dependencies[0].imageID", "sha512-"), ("dependencies[0].imageID", "sha256-00"),
        ("dependencies[0].imageID", "00"), ("dependencies[0].imageID", "sha512-0-0"), ("dependencies[0].size", -1), ("dependencies[0].size", 1.5),
        ("dependencies[0].labels[0].name", "name"), ("dependencies[0].labels[0].value", "beos"), ("dependencies[0].labels[1].name", "os"),
    ],
    "pathWhitelist": [("pathWhitelist[0]", "a"), ("pathWhitelist[0]", ""), ("pathWhitelist[0]", None)],
}

MINIMAL = '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"a"%s}'

# Texts: what no change of a parsed manifest can be. NAME: (valid?, text)
TEXTS = {
    "minimal": (True, MINIMAL % ""),
    "spaces around": (True, " \n\t" + MINIMAL % "" + " \r\n"),
    "keys in upper case": (True, (MINIMAL % "").replace("acKind", "ACKIND").replace("name", "NAME")),
    "supplementaryGids": (True, MINIMAL % ',"app":{"user":"0","group":"0","exec":["a"],"supplementaryGids":[1]}'),
    "escapes": (True, (MINIMAL % "").replace('"a"', '"\\u0061\\/b"').replace("acKind", "ac\\u004bind")),
    "empty": (False, ""),
    "spaces alone": (False, " \n"),
    "a list": (False, "[]"),
    "a list of one": (False, "[" + MINIMAL % "" + "]"),
    "null": (False, "null"),
    "a string": (False, '"x"'),
    "a number": (False, "7"),
    "empty object": (False, "{}"),
    "two objects": (False, 2 * (MINIMAL % "")),
    "trailing text": (False, MINIMAL % "" + "x"),
    "trailing NUL": (False, MINIMAL % "" + "\0"),
    "cut": (False, (MINIMAL % "")[:-1]),
    "trailing comma": (False, MINIMAL % ","),
    "trailing comma in a list": (False, MINIMAL % ',"labels":[{"name":"a","value":"b"},]'),
    "comment": (False, MINIMAL % "/* */"),
    "single quotes": (False, (MINIMAL % "").replace('"', "'")),
    "bare key": (False, (MINIMAL % "").replace('"name"', "name")),
    "byte order mark": (False, "\ufeff" + MINIMAL % ""),
    "newline in a string": (False, (MINIMAL % "").replace('"a"', '"a\n"')),
    "bad escape": (False, (MINIMAL % "").replace('"a"', '"\\x61"')),
    "leading zero": (False, MINIMAL % ',"x":007'),
    "hexadecimal": (False, MINIMAL % ',"x":0x7'),
    "not a number": (False, MINIMAL % ',"x":NaN'),
    "huge number": (False, MINIMAL % ',"x":1e999'),
    "integer over 64 bits": (False, MINIMAL % ',"x":99999999999999999999'),
    "port as a real": (False, MINIMAL % ',"app":{"user":"0","group":"0","exec":["a"],"ports":[{"name":"a","protocol":"tcp","port":80.0}]}'),
    "port with an exponent": (False, MINIMAL % ',"app":{"user":"0","group":"0","exec":["a"],"ports":[{"name":"a","protocol":"tcp","port":8e1}]}'),
    "duplicate key": (False, MINIMAL % ',"name":"b"'),
    "duplicate key in another case": (False, MINIMAL % ',"Name":"b"'),
    "duplicate key in app": (False, MINIMAL % ',"app":{"user":"0","user":"1","group":"0","exec":["a"]}'),
    "arch without os": (False, MINIMAL % ',"labels":[{"name":"arch","value":"amd64"}]'),
    "deep": (False, MINIMAL % (',"x":' + 2100 * "[" + 2100 * "]")),
    "surrogate alone": (False, (MINIMAL % ',"x":"\\ud800"')),
    "not UTF-8": (False, (MINIMAL % ',"x":"\udcff"')),
    "a web page": (False, "<html>"),
}

# Where the tables of forms/ go.
FORMS = {
    "semver": lambda t: {"acVersion": t},
    "date": lambda t: {"annotations": [{"name": "created", "value": t}]},
    "url": lambda t: {"annotations": [{"name": "homepage", "value": t}]},
    "ac-identifier": lambda t: {"name": t},
    "ac-name": lambda t: {"app": {"exec": ["/a"], "user": "0", "group": "0", "ports": [{"name": t, "protocol": "tcp", "port": 1}]}},
    "environment": lambda t: {"app": {"exec": ["/a"], "user": "0", "group": "0", "environment": [{"name": t, "value": "x"}]}},
    "platform": lambda t: {
        "labels": [{"name": "os", "value": t.partition(" ")[0]}] + ([{"name": "arch", "value": t.partition(" ")[2]}] if " " in t else [])
    },
}


def change(path, value):
    """FULL with one member changed, added or taken out."""
    manifest = copy.deepcopy(FULL)
    steps = [int(s[1:-1]) if s[0] == "[" else s.lstrip(".") for s in re.findall(r"\[\d+\]|\.?[^.\[]+", path)]
    at = manifest
    for step in steps[:-1]:
        at = at[step]
    if value is GONE:
        del at[steps[-1]]
    else:
        at[steps[-1]] = value
    return manifest


def cases():
    """(name, valid?, bytes, why actool may differ or None) of every manifest."""
    for table, valid in ((VALID, True), (INVALID, False)):
        for rule, changes in table.items():
            for path, value in changes:
                shown = "taken out" if value is GONE else json.dumps(value)
                yield f"{path} {shown[:60]}", valid, json.dumps(change(path, value)).encode(), None
    yield "full", True, json.dumps(FULL).encode(), None
    for name, (valid, text) in TEXTS.items():
        yield name, valid, text.encode("utf-8", "surrogateescape"), None
    for form, place in FORMS.items():
        with open(os.path.join(HERE, "forms", form), encoding="utf-8") as table:
            for line in table:
                text, _, why = line[2:].rstrip("\n").partition("\t")
                manifest = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "a", **place(json.loads(text))}
                yield f"{form} {text}", line[0] == "+", json.dumps(manifest).encode(), why if line[0] == "<" else None
