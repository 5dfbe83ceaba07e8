# SPDX-License-Identifier: MIT
"""Images that depend on each other, and what appc's specification says they are when put together: done the naive way, by
unpacking every archive in turn into one directory. For tests to compare with what mayfly shows."""

import hashlib, io, json, os, random, shutil, stat, tarfile

FILE, DIRECTORY, SYMLINK, HARDLINK, FIFO, DEVICE = (
    tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)


class Entry:
    """`link`: target of a symlink, or the path in the image that a hard link is another name of."""

    def __init__(self, path, kind=FILE, data=b"", mode=None, uid=0, gid=0, mtime=10**9, link="", xattrs=(), device=(1, 3)):
        self.path, self.kind, self.data, self.link, self.device = path.strip("/"), kind, data, link, device
        self.mode = mode if mode is not None else 0o755 if kind == DIRECTORY else 0o644
        self.uid, self.gid, self.mtime, self.xattrs = uid, gid, mtime, dict(xattrs)


class Image:
    """An archive in `directory`, as NAME.aci. Its dependencies are images, made before it."""

    def __init__(self, directory, name, entries, dependencies=(), whitelist=(), labels=(), implicit_root=False):
        self.name, self.entries, self.dependencies, self.whitelist = name, entries, list(dependencies), list(whitelist)
        manifest = {"acKind": "ImageManifest", "acVersion": "0.8.11", "name": name,
                    "labels": [{"name": k, "value": v} for k, v in labels],
                    "dependencies": [{"imageName": d.name, "imageID": d.id, "size": d.size} for d in self.dependencies],
                    "pathWhitelist": self.whitelist}
        path = os.path.join(directory, name + ".aci")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not implicit_root and not any(e.path == "" for e in entries):
            entries.insert(0, Entry("", DIRECTORY))
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            self._add(tar, "manifest", Entry("manifest", data=json.dumps(manifest).encode()))
            for entry in entries:
                self._add(tar, ("rootfs/" + entry.path).rstrip("/"), entry)
        with open(path, "rb") as f:
            self.id = "sha512-" + hashlib.sha512(f.read()).hexdigest()
        self.size = os.path.getsize(path)
        self.reference = f"aci:file://{path}@{self.id}"

    @staticmethod
    def _add(tar, name, entry):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.uid, info.gid = entry.kind, entry.mode, entry.uid, entry.gid
        info.mtime = entry.mtime
        if entry.kind == FILE:
            info.size = len(entry.data)
        if entry.kind == SYMLINK:
            info.linkname = entry.link
        elif entry.kind == HARDLINK:
            info.linkname = "rootfs/" + entry.link
        elif entry.kind == DEVICE:
            info.devmajor, info.devminor = entry.device
        info.pax_headers = {"SCHILY.xattr." + k: v for k, v in entry.xattrs.items()}
        tar.addfile(info, io.BytesIO(entry.data) if entry.kind == FILE else None)


# --- the specification, naively -----------------------------------------------------------------------------------------


def passes(whitelist, path, is_directory):
    listed = {os.path.normpath("/" + p.lstrip("/")).strip("/") for p in whitelist}
    if path == "" or path in listed:
        return True
    return is_directory and any(p.startswith(path + "/") for p in listed)


class Rendering:
    """Lays images into the directory `top`, which is empty. `times`: what directories' times must be; None for those that no image
    has an entry for."""

    def __init__(self, top, image):
        self.top, self.times = top, {"": None}
        self._render(image, [])
        for path, mtime in sorted(self.times.items(), reverse=True):
            if mtime is not None:
                os.utime(os.path.join(top, path), ns=(0, mtime * 10**9))

    def _render(self, image, above):
        whitelists = above + ([image.whitelist] if image.whitelist else [])
        for dependency in image.dependencies:
            self._render(dependency, whitelists)
        for entry in image.entries:
            if all(passes(w, entry.path, entry.kind == DIRECTORY) for w in whitelists):
                self._lay(image, entry)

    def _forget(self, path):
        for p in [p for p in self.times if p == path or p.startswith(path + "/")]:
            del self.times[p]

    def _remove(self, path):
        full = os.path.join(self.top, path)
        if not os.path.lexists(full):
            return
        if stat.S_ISDIR(os.lstat(full).st_mode):
            shutil.rmtree(full)
            self._forget(path)
        else:
            os.unlink(full)

    def _make_directory(self, path):
        full = os.path.join(self.top, path)
        if os.path.lexists(full) and stat.S_ISDIR(os.lstat(full).st_mode):
            return
        self._remove(path)
        os.mkdir(full)
        os.chown(full, 0, 0)  # whatever the directory it is in would hand down
        os.chmod(full, 0o755)
        self.times[path] = None

    def _lay(self, image, entry):
        path, full = entry.path, os.path.join(self.top, entry.path)
        parts = path.split("/")
        for i in range(1, len(parts)):
            self._make_directory("/".join(parts[:i]))
        if entry.kind == DIRECTORY:
            if path:
                self._make_directory(path)
            self.times[path] = entry.mtime
            for name in os.listxattr(full):
                os.removexattr(full, name)
        else:
            self._remove(path)
        source = entry
        while source.kind == HARDLINK:
            source = next(e for e in image.entries if e.path == source.link)
        if source.kind == FILE:
            with open(full, "wb") as f:
                f.write(source.data)
        elif source.kind == SYMLINK:
            os.symlink(source.link, full)
        elif source.kind == FIFO:
            os.mkfifo(full)
        elif source.kind == DEVICE:
            os.mknod(full, stat.S_IFCHR, os.makedev(*source.device))
        os.lchown(full, source.uid, source.gid)
        if source.kind != SYMLINK:
            os.chmod(full, source.mode)
            for name, value in source.xattrs.items():
                os.setxattr(full, name, value.encode())
        if entry.kind != DIRECTORY:
            os.utime(full, ns=(0, source.mtime * 10**9), follow_symlinks=False)


# --- looking ------------------------------------------------------------------------------------------------------------


def look(path, top="", ids=0):
    st = os.lstat(path)
    seen = {"type": stat.S_IFMT(st.st_mode), "mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid - ids, "gid": st.st_gid - ids,
            "mtime": st.st_mtime_ns}
    if stat.S_ISLNK(st.st_mode):
        seen["target"] = os.readlink(path)
    elif stat.S_ISREG(st.st_mode):
        seen["size"] = st.st_size
        with open(path, "rb") as f:
            seen["content"] = hashlib.sha256(f.read()).hexdigest()
    elif stat.S_ISCHR(st.st_mode):
        seen["device"] = st.st_rdev
    if stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode) and path != top:
        seen["xattrs"] = {n: os.getxattr(path, n) for n in os.listxattr(path)}
    return seen


def look_at_all(top, ids=0):
    seen = {"": look(top, top, ids)}
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            full = os.path.join(directory, name)
            seen[os.path.relpath(full, top)] = look(full, "", ids)
    return seen


def differences(rendering, shown, below="", ids=0):
    """Between what ought to be and what the directory `shown` has, file for file; only of `below`, if that is given. `ids` is the
    first ID of the user namespace that `shown` is of."""
    expected, actual = look_at_all(os.path.join(rendering.top, below)), look_at_all(os.path.join(shown, below), ids)
    found = []
    for path in sorted(expected.keys() | actual.keys()):
        at = os.path.normpath(os.path.join(below, path)) if below or path else ""
        a, b = expected.get(path), actual.get(path)
        if a and b and at in rendering.times and rendering.times[at] is None:
            a, b = dict(a, mtime=0), dict(b, mtime=0)
        if a != b:
            found.append(f"/{at}: {b} instead of {a}")
    return found


# --- at random ----------------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c")


def random_entries(dice, device):
    entries, links = [], []

    def fill(at, depth):
        for name in NAMES:
            path = f"{at}/{name}".strip("/")
            kind = dice.choice((None, FILE, DIRECTORY, DIRECTORY, DIRECTORY, SYMLINK, HARDLINK, FIFO, device))
            common = {"uid": dice.randrange(3), "gid": dice.randrange(3), "mtime": 10**9 + dice.randrange(10**6)}
            xattrs = {"user.mayfly": str(dice.randrange(9))} if dice.random() < 0.2 else {}
            if kind == DIRECTORY and depth < 3:
                below = len(entries)
                fill(path, depth + 1)
                if len(entries) == below or dice.random() < 0.6:  # else it is implied by what is in it
                    at_end = dice.random() < 0.3
                    entry = Entry(path, DIRECTORY, mode=dice.choice((0o700, 0o755, 0o1777, 0o2750)), xattrs=xattrs, **common)
                    entries.insert(len(entries) if at_end else below, entry)
            elif kind == FILE:
                entries.append(Entry(path, FILE, str(dice.random()).encode(), mode=dice.choice((0o600, 0o644, 0o4755)),
                                     xattrs=xattrs, **common))
            elif kind == SYMLINK:
                entries.append(Entry(path, SYMLINK, link=dice.choice(("a", "/a", "b/c", "../b", "nowhere")), **common))
            elif kind == HARDLINK:
                links.append(path)
            elif kind in (FIFO, DEVICE):
                entries.append(Entry(path, kind, **common))

    fill("", 1)
    if dice.random() < 0.7:
        entries.insert(0, Entry("", DIRECTORY, mode=dice.choice((0o755, 0o700)), mtime=10**9 + dice.randrange(10**6)))
    for path in links:
        files = [e.path for e in entries if e.kind == FILE]
        if files:
            entries.append(Entry(path, HARDLINK, link=dice.choice(files)))
    return entries


def random_whitelist(dice):
    def path():
        return "/" + "/".join(dice.choice(NAMES) for _ in range(dice.randrange(1, 4))) + dice.choice(("", "", "/", "//"))

    return [path() for _ in range(dice.randrange(1, 8))] if dice.random() < 0.4 else []


def random_graph(dice, directory, prefix):
    """The topmost image of some that depend on each other."""
    images = []
    for i in range(dice.randrange(1, 7)):
        dependencies = dice.sample(images, dice.randrange(0, min(3, len(images)) + 1))
        if i and not dependencies:
            dependencies = [images[-1]]
        entries = random_entries(dice, DEVICE)
        images.append(Image(directory, f"{prefix}{i}", entries, dependencies, random_whitelist(dice),
                            implicit_root=bool(entries)))
    return images[-1]
