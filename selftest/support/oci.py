# SPDX-License-Identifier: MIT
"""OCI images as tests want them: layers entry by entry, also those that no tool writes; layouts, archives of layouts, archives of
`docker save`."""

import gzip, hashlib, io, json, os, subprocess, tarfile

FILE, DIRECTORY, SYMLINK, HARDLINK, FIFO, DEVICE = (
    tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
MANIFEST, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
CONFIG, LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def sha(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


def canonical(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Entry:
    def __init__(self, name, kind=FILE, data=b"", mode=None, uid=0, gid=0, mtime=10**9, link="", xattrs=(), device=(1, 3)):
        self.name, self.kind, self.data, self.link, self.device = name, kind, data, link, device
        self.mode = mode if mode is not None else 0o755 if kind == DIRECTORY else 0o644
        self.uid, self.gid, self.mtime, self.xattrs = uid, gid, mtime, dict(xattrs)


def tar(entries, cut=False):
    """The bytes of a layer. With `cut` they end after the last entry's data, as umoci 0.4.7 and kaniko write them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for e in entries:
            info = tarfile.TarInfo(e.name)
            info.type, info.mode, info.uid, info.gid, info.mtime, info.linkname = e.kind, e.mode, e.uid, e.gid, e.mtime, e.link
            if e.kind == FILE:
                info.size = len(e.data)
            if e.kind == DEVICE:
                info.devmajor, info.devminor = e.device
            info.pax_headers = {"SCHILY.xattr." + k: v for k, v in e.xattrs.items()}
            archive.addfile(info, io.BytesIO(e.data) if e.kind == FILE else None)
        end = archive.offset
    data = out.getvalue()
    if not cut:
        return data
    last = entries[-1]
    return data[:end - (-len(last.data) % 512)] if last.kind == FILE else data[:end]


def zstd(data, chunked=False):
    """With `chunked`, several frames and a skippable one at the end, as zstd:chunked has its table of contents."""
    def frame(piece):
        return subprocess.run(["zstd", "-q", "-c"], input=piece, stdout=subprocess.PIPE, check=True).stdout
    if not chunked:
        return frame(data)
    pieces = [data[i:i + 1000] for i in range(0, len(data), 1000)]
    return b"".join(frame(p) for p in pieces) + b"\x50\x2a\x4d\x18\x08\0\0\0GNUlInUx"


COMPRESSIONS = {
    "": lambda d: d,
    "+gzip": lambda d: gzip.compress(d, mtime=0),
    "+zstd": zstd,
    "+zstd chunked": lambda d: zstd(d, True),
}


class Layer:
    def __init__(self, entries, compression="+gzip", algorithm="sha256", cut=False, media_type=None, data=None):
        self.tar = tar(entries, cut) if data is None else data
        self.diff_id = sha(self.tar, algorithm)
        self.blob = COMPRESSIONS[compression](self.tar)
        self.media_type = media_type or LAYER + compression.split(" ")[0]
        self.digest = sha(self.blob, algorithm)

    def descriptor(self):
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.blob)}


class Image:
    def __init__(self, layers, config=(), architecture="amd64", algorithm="sha256", platform=(), **more):
        self.layers = layers
        self.config = canonical({"architecture": architecture, "os": "linux", "config": dict(config),
                                 "rootfs": {"type": "layers", "diff_ids": [l.diff_id for l in layers]}, **more})
        self.id = sha(self.config, algorithm)
        self.manifest = canonical({"schemaVersion": 2, "mediaType": MANIFEST,
                                   "config": {"mediaType": CONFIG, "digest": self.id, "size": len(self.config)},
                                   "layers": [l.descriptor() for l in layers]})
        self.digest = sha(self.manifest, algorithm)
        self.platform = dict(platform)

    def descriptor(self, name=None):
        annotations = {"org.opencontainers.image.ref.name": name} if name else {}
        # A newer skopeo adds it to each entry of an index that lacks it, even where it must preserve the index.
        if any(l.descriptor()["mediaType"].endswith("+zstd") for l in self.layers):
            annotations["io.github.containers.compression.zstd"] = "true"
        return {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.manifest),
                **({"platform": self.platform} if self.platform else {}),
                **({"annotations": annotations} if annotations else {})}

    def blobs(self):
        return {self.id: self.config, self.digest: self.manifest, **{l.digest: l.blob for l in self.layers}}


class Index:
    """Of several images, one for each platform."""

    def __init__(self, images):
        self.images = images
        self.manifest = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [i.descriptor() for i in images]})
        self.digest = sha(self.manifest)

    def descriptor(self, name=None):
        return {"mediaType": INDEX, "digest": self.digest, "size": len(self.manifest),
                **({"annotations": {"org.opencontainers.image.ref.name": name}} if name else {})}

    def blobs(self):
        blobs = {self.digest: self.manifest}
        for i in self.images:
            blobs.update(i.blobs())
        return blobs


def layout_files(images):
    """`images`: {name: image}, or a list of images without names."""
    named = images.items() if isinstance(images, dict) else [(None, i) for i in images]
    files = {"oci-layout": canonical({"imageLayoutVersion": "1.0.0"}),
             "index.json": canonical({"schemaVersion": 2, "manifests": [i.descriptor(n) for n, i in named]})}
    for _, image in named:
        for digest, data in image.blobs().items():
            files["blobs/" + digest.replace(":", "/")] = data
    return files


def write_layout(path, images):
    for name, data in layout_files(images).items():
        os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
        with open(os.path.join(path, name), "wb") as f:
            f.write(data)
    return path


def _write_tar(path, files, links=()):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in dict(links).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = SYMLINK, target
            archive.addfile(info)
    return path


def write_archive(path, images):
    return _write_tar(path, layout_files(images))


def write_docker(path, images, link_equal=True):
    """As docker before 25 writes them: a layer that two images share is a link the second time."""
    files, links, seen, listed = {}, {}, {}, []
    named = images.items() if isinstance(images, dict) else [(None, i) for i in images]
    for tag, image in named:
        hexes = image.id.split(":")[1]
        files[hexes + ".json"] = image.config
        names = []
        for n, layer in enumerate(image.layers):
            name = f"{hashlib.sha256((image.id + str(n)).encode()).hexdigest()}/layer.tar"
            if layer.diff_id in seen and link_equal:
                links[name] = "../" + seen[layer.diff_id]
            else:
                files[name] = layer.tar
                seen[layer.diff_id] = name
            names.append(name)
        listed.append({"Config": hexes + ".json", "RepoTags": [tag] if tag else None, "Layers": names})
    files["manifest.json"] = canonical(listed)
    return _write_tar(path, files, links)
