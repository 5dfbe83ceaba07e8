# SPDX-License-Identifier: MIT
"""Writes archives that try to write FILE, which is outside, each in another way: `hostile.py DIRECTORY FILE` makes hostile-WAY.tar,
and hostile-WAY.aci with the same below rootfs/."""

import io, json, os, sys, tarfile

MANIFEST = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/hostile",
            "labels": [{"name": "os", "value": "linux"}, {"name": "arch", "value": "amd64"}]}


def entry(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def write(path, prefix, entries):
    with tarfile.open(path, "w") as archive:
        if prefix:
            text = json.dumps(MANIFEST).encode()
            manifest = entry("manifest")
            manifest.size = len(text)
            archive.addfile(manifest, io.BytesIO(text))
            archive.addfile(entry("rootfs", tarfile.DIRTYPE))
        for name, kind, link in entries:
            archive.addfile(entry(prefix + name, kind, link))


directory, outside = sys.argv[1:]
ways = {
    "link": [("link", tarfile.SYMTYPE, os.path.dirname(outside)), ("link/" + os.path.basename(outside), tarfile.REGTYPE, "")],
    "above": [("../" * 20 + outside[1:], tarfile.REGTYPE, "")],
    "root": [(outside, tarfile.REGTYPE, "")],
}
for way, entries in ways.items():
    write(f"{directory}/hostile-{way}.tar", "", entries)
    write(f"{directory}/hostile-{way}.aci", "rootfs/", entries)
