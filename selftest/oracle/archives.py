# SPDX-License-Identifier: MIT
"""Image archives, valid and not, made byte by byte so that they can be as wrong as is wanted."""

import base64
import bz2
import gzip
import io
import lzma
import tarfile

MANIFEST = b'{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/a"}'
REG, HARD, SYM, CHR, BLK, DIR, FIFO, CONT = b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"


def header(name, type_, size=0, link="", mode=0o755, magic=b"ustar\x0000", major=0, minor=0, uid=0, checksum=None, prefix=b""):
    name, link = (s.encode() if isinstance(s, str) else s for s in (name, link))
    h = bytearray(512)
    h[0:len(name)] = name
    h[100:108] = b"%07o\0" % mode
    h[108:116] = b"%07o\0" % uid
    h[116:124] = b"%07o\0" % 0
    h[124:136] = b"%011o\0" % size
    h[136:148] = b"%011o\0" % 1000000000
    h[148:156] = 8 * b" "
    h[156:157] = type_
    h[157:157 + len(link)] = link
    h[257:257 + len(magic)] = magic
    if magic:
        h[329:337] = b"%07o\0" % major
        h[337:345] = b"%07o\0" % minor
        h[345:345 + len(prefix)] = prefix
    h[148:156] = b"%06o\0 " % (sum(h) if checksum is None else checksum)
    return bytes(h)


def entry(name, type_=REG, data=b"", **more):
    return header(name, type_, len(data), **more) + data + (-len(data) % 512) * b"\0"


END = 1024 * b"\0"
M = entry("manifest", data=MANIFEST, mode=0o644)
R = entry("rootfs/", DIR)
A = entry("rootfs/a", data=b"hello")


def tar(*entries):
    return b"".join(entries) + END


def v7(*entries):
    return b"".join(header(n, t, len(d), magic=b"") + d + (-len(d) % 512) * b"\0" for n, t, d in entries) + END


def pax(records, type_=b"x"):
    data = b""
    for key, value in records.items():
        line = b" " + key.encode() + b"=" + value + b"\n"
        size = len(line)
        while size != len(line) + len(str(size)):
            size = len(line) + len(str(size))
        data += str(size).encode() + line
    return entry("PaxHeaders/x", type_, data)


def record(key, value):
    """A pax record."""
    return pax({key: value})[512:].rstrip(b"\0")


def raw(data, type_=b"x"):
    """A pax header of any bytes."""
    return entry("PaxHeaders/x", type_, data)


def patched(data, offset, what):
    """A header with other bytes, and the checksum of those."""
    h = bytearray(data[:512])
    h[offset:offset + len(what)] = what
    h[148:156] = 8 * b" "
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h) + data[512:]


def sparse(records, stored, name="GNUSparseFile.0/a"):
    return pax(records) + entry(name, data=stored)


def padded(data):
    return data + (-len(data) % 512) * b"\0"


def old_sparse(segments, size, data):
    """GNU's format of before pax; up to four segments."""
    h = b"".join(b"%011o\0%011o\0" % s if isinstance(s[0], int) else s[0] + s[1] for s in segments).ljust(96, b"\0") + b"\0" + b"%011o\0" % size
    return patched(entry("rootfs/a", b"S", data, magic=b"ustar  \0"), 386, h)


def by_module(form, name="rootfs/" + 150 * "n"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for path, data in (("manifest", MANIFEST), ("rootfs", None), (name, b"x")):
            info = tarfile.TarInfo(path)
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.mode = 0o755
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()


def with_manifest(text):
    return tar(entry("manifest", data=text), R)


PLAIN = tar(M, R, A)
# A gzip of such a tar, by `gpg --symmetric --cipher-algo AES`.
ENCRYPTED = base64.b64decode(
    "jA0EBwMC8pCECV2kjZL/0sAxAc7lbUSbll7qIkA1U346SDV2nSsuGutjG4PgtOAhC1yfJ5tR7QrMV2nlqDl8OcqMjmQtI0BBzCHljcuykDLlihB1sT2cUbTtFBpp"
    "QMki5NWpAKnsbuQjIAtE8z8CCw8I0lWnSncy+4qnH599iM6iDWweN6+BXzn3hZBMHJawZ2aP51pSbFUvSftwl4pKHgi2qGhFGvbJ1fyrx9Dpbx2gbj+twhHc9aGH"
    "eiBEltALpVBF6IkWoEkJuW5jtMBoom2kG1IaSxFF8O0yTHTtDjHiwwp6zgDpNcTH8jDW/nqp9QUpXeAYFtNDHAJ8P695wri48g==")


def gz(data):
    return gzip.compress(data, mtime=0)


def damaged(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 0xff]) + data[len(data) // 2 + 1:]


# NAME: bytes; APPC.md, "Image archive", has the rules.
VALID = {
    "ustar": PLAIN,
    "pax": by_module(tarfile.PAX_FORMAT),
    "gnu": by_module(tarfile.GNU_FORMAT),
    "gzip": gz(PLAIN),
    "gzip, without name nor time, best": gzip.compress(PLAIN, 9, mtime=0),
    "gzip, stored": gzip.compress(PLAIN, 0, mtime=0),
    "bzip2": bz2.compress(PLAIN),
    "xz": lzma.compress(PLAIN),
    "xz, CRC32": lzma.compress(PLAIN, check=lzma.CHECK_CRC32),
    "xz, no check": lzma.compress(PLAIN, check=lzma.CHECK_NONE),
    "xz of pax": lzma.compress(by_module(tarfile.PAX_FORMAT)),
    "bzip2 of gnu": bz2.compress(by_module(tarfile.GNU_FORMAT)),
    "manifest last": tar(R, A, M),
    "manifest between": tar(R, M, A),
    "./ before names": tar(entry("./manifest", data=MANIFEST), entry("./rootfs", DIR), entry("./rootfs/a", data=b"x")),
    "./ itself": tar(entry("./", DIR), M, R, A),
    "./ before some": tar(M, entry("./rootfs", DIR), entry("./rootfs/b", DIR), A),
    "slashes doubled": tar(M, R, entry("rootfs//b/", DIR), entry("rootfs/.//b/./c", data=b"x")),
    "rootfs empty": tar(M, R),
    "rootfs without a slash": tar(M, entry("rootfs", DIR), A),
    "directories' entries after their files": tar(M, entry("rootfs/b/c", data=b"x"), entry("rootfs/b", DIR), R),
    "directories without entries": tar(M, R, entry("rootfs/b/c/d", data=b"x")),
    "symbolic links": tar(M, R, entry("rootfs/l", SYM, link="a"), entry("rootfs/m", SYM, link="/etc/../../x"), entry("rootfs/n", SYM, link="no where")),
    "hard link": tar(M, R, A, entry("rootfs/h", HARD, link="rootfs/a")),
    "hard link with ./": tar(M, R, A, entry("rootfs/h", HARD, link="./rootfs/a")),
    "hard link to a symbolic link": tar(M, R, entry("rootfs/l", SYM, link="a"), entry("rootfs/h", HARD, link="rootfs/l")),
    "fifo": tar(M, R, entry("rootfs/p", FIFO)),
    "devices": tar(M, R, entry("rootfs/c", CHR, major=1, minor=3), entry("rootfs/b", BLK, major=7, minor=0)),
    "set-user-ID and sticky": tar(M, R, entry("rootfs/s", data=b"x", mode=0o4755), entry("rootfs/t", DIR, mode=0o1777)),
    "old regular file flag": tar(M, R, entry("rootfs/a", b"\0", b"x")),
    "prefix field": tar(M, R, entry("b", data=b"x", prefix=b"rootfs/" + 100 * b"p")),
    "pax extended attributes": tar(M, R, pax({"SCHILY.xattr.user.a": b"b"}), A),
    "pax time and size": tar(M, R, pax({"mtime": b"1.5", "size": b"5"}), A),
    "pax path": tar(M, R, pax({"path": b"rootfs/\xc3\xa4"}), A),
    "pax global header": tar(pax({"comment": b"anything"}, b"g"), M, R, A),
    "names in Latin-1": tar(M, R, entry(b"rootfs/\xe4", data=b"x")),
    "names with spaces and newlines": tar(M, R, entry("rootfs/a b\nc", data=b"x")),
    "rootfs/rootfs and rootfs/manifest": tar(M, R, entry("rootfs/rootfs", SYM, link="/"), entry("rootfs/manifest", data=b"x")),
    "padding after the end": PLAIN + 8192 * b"\0",
    "text after the end of the tar": PLAIN + b"extra",
    "gzip, wrong length": gz(PLAIN)[:-4] + b"\1\0\0\0",
    "gzip, wrong sum": gz(PLAIN)[:-8] + b"\1\2\3\4" + gz(PLAIN)[-4:],
    "pax record of no value": tar(M, R, pax({"uid": b"", "path": b"", "mtime": b""}), A),
    "pax record that is unknown": tar(M, R, pax({"VENDOR.thing": b"any"}), A),
    "pax negative time": tar(M, R, pax({"mtime": b"-1.5"}), A),
    "pax time of many digits": tar(M, R, pax({"mtime": b"1.123456789123456789"}), A),
    "pax highest owner": tar(M, R, pax({"uid": b"4294967294", "gid": b"4294967294"}), A),
    "numbers in base 256": tar(M, R, patched(patched(A, 108, b"\x80\0\0\0\0\1\0\0"), 136, b"\xff" * 12)),
    "numbers between blanks": tar(M, R, patched(A, 124, b"         5 \0")),
    "sparse, 1.0": tar(M, R, sparse({"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.name": b"rootfs/a", "GNU.sparse.realsize": b"99999"},
                                    padded(b"2\n5000\n3\n99999\n0\n") + b"abc")),
    "sparse, 0.1": tar(M, R, sparse({"GNU.sparse.size": b"99999", "GNU.sparse.numblocks": b"1", "GNU.sparse.name": b"rootfs/a",
                                     "GNU.sparse.map": b"5000,3"}, b"abc")),
    "sparse, 0.0": tar(M, R, raw(record("GNU.sparse.size", b"99999") + record("GNU.sparse.numblocks", b"2") +
                                 record("GNU.sparse.offset", b"0") + record("GNU.sparse.numbytes", b"1") +
                                 record("GNU.sparse.offset", b"5000") + record("GNU.sparse.numbytes", b"2")), entry("rootfs/a", data=b"abc")),
    "sparse, GNU's old format": tar(M, R, old_sparse([(5000, 3), (99999, 0)], 99999, b"abc")),
    "a file of many blocks": tar(M, R, entry("rootfs/big", data=bytes(range(256)) * 400)),
}

INVALID = {
    "empty": b"",
    "zeros": 10240 * b"\0",
    "end of archive alone, compressed": gz(END),
    "gzip of nothing": gz(b""),
    "no manifest": tar(R, A),
    "no rootfs": tar(M),
    "rootfs by its files alone": tar(M, A),
    "manifest twice": tar(M, R, M),
    "manifest twice, with ./": tar(M, R, entry("./manifest", data=MANIFEST)),
    "rootfs twice": tar(M, R, R),
    "rootfs twice, with ./": tar(M, R, A, entry("./rootfs", DIR)),
    "file twice": tar(M, R, A, A),
    "file twice, with ./": tar(M, R, A, entry("./rootfs//a", data=b"x")),
    "directory twice": tar(M, R, entry("rootfs/b", DIR), entry("rootfs/b/", DIR)),
    "file and directory": tar(M, R, A, entry("rootfs/a", DIR)),
    "file and symbolic link": tar(M, R, A, entry("rootfs/a", SYM, link="x")),
    "another top-level file": tar(M, R, entry("README", data=b"x")),
    "another top-level directory": tar(M, R, entry("etc/", DIR)),
    "another top-level name like rootfs": tar(M, R, entry("rootfs2", DIR)),
    "another top-level name in other case": tar(M, R, entry("Manifest", data=MANIFEST)),
    "rootfs is a file": tar(M, entry("rootfs", data=b"x")),
    "rootfs is a symbolic link": tar(M, entry("rootfs", SYM, link="/"), A),
    "manifest is a directory": tar(entry("manifest", DIR), R),
    "manifest is a symbolic link": tar(entry("manifest", SYM, link="rootfs/m"), R, entry("rootfs/m", data=MANIFEST)),
    "manifest is a hard link": tar(R, entry("rootfs/m", data=MANIFEST), entry("manifest", HARD, link="rootfs/m")),
    "manifest is a fifo": tar(entry("manifest", FIFO), R),
    "absolute name": tar(M, R, entry("/rootfs/x", data=b"x")),
    "absolute manifest": tar(entry("/manifest", data=MANIFEST), R),
    "dots out of the archive": tar(M, R, entry("../x", data=b"x")),
    "dots out of rootfs": tar(M, R, entry("rootfs/../x", data=b"x")),
    "dots within rootfs": tar(M, R, entry("rootfs/x/../y", data=b"x")),
    "dots to the manifest": tar(R, entry("rootfs/../manifest", data=MANIFEST)),
    "file beyond a symbolic link": tar(M, R, entry("rootfs/l", SYM, link="/tmp"), entry("rootfs/l/x", data=b"x")),
    "file beneath a file": tar(M, R, A, entry("rootfs/a/b", data=b"x")),
    "hard link to what comes later": tar(M, R, entry("rootfs/h", HARD, link="rootfs/a"), A),
    "hard link to nothing": tar(M, R, entry("rootfs/h", HARD, link="rootfs/none")),
    "hard link to a directory": tar(M, R, entry("rootfs/b", DIR), entry("rootfs/h", HARD, link="rootfs/b")),
    "hard link outside rootfs": tar(M, R, entry("rootfs/h", HARD, link="manifest")),
    "hard link out of the archive": tar(M, R, entry("rootfs/h", HARD, link="rootfs/../../etc/passwd")),
    "hard link to an absolute name": tar(M, R, entry("rootfs/h", HARD, link="/etc/passwd")),
    "symbolic link to nothing": tar(M, R, entry("rootfs/l", SYM)),
    "v7": v7(("manifest", REG, MANIFEST), ("rootfs/", DIR, b"")),
    "v7 in gzip": gz(v7(("manifest", REG, MANIFEST), ("rootfs/", DIR, b""))),
    "name of no characters": tar(M, R, entry("", data=b"x")),
    "name too long": tar(M, R, pax({"path": b"rootfs/" + 300 * b"n"}), A),
    "bad checksum": tar(M, R, entry("rootfs/a", data=b"x", checksum=1)),
    "cut in a header": PLAIN[:1300],
    "cut in a file": tar(M, R, entry("rootfs/a", data=2000 * b"x"))[:3500],
    "cut in the manifest": PLAIN[:540],
    "cut before the manifest": tar(R, A, M)[:1536],
    "gzip, cut": gz(PLAIN)[:-20],
    "gzip, cut in its trailer": gz(PLAIN)[:-4],
    "gzip, cut in its header": gz(PLAIN)[:6],
    "gzip, damaged": damaged(gz(by_module(tarfile.PAX_FORMAT))),
    "gzip, trailing data": gz(PLAIN) + b"extra",
    "gzip in gzip": gz(gz(PLAIN)),
    "bzip2, cut": bz2.compress(PLAIN)[:-20],
    "bzip2, damaged": damaged(bz2.compress(PLAIN)),
    "bzip2, trailing data": bz2.compress(PLAIN) + b"extra",
    "xz, cut": lzma.compress(PLAIN)[:-20],
    "xz, damaged": damaged(lzma.compress(PLAIN)),
    "xz, trailing data": lzma.compress(PLAIN) + b"extra",
    "encrypted": ENCRYPTED,
    "encrypted, armoured": b"-----BEGIN PGP MESSAGE-----\n\n" + base64.b64encode(ENCRYPTED) + b"\n-----END PGP MESSAGE-----\n",
    "zstd": b"\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00\x99\xe9\xd8\x51",
    "lzma alone": lzma.compress(PLAIN, format=lzma.FORMAT_ALONE),
    "zip": b"PK\x03\x04" + 60 * b"\0",
    "cpio": b"070701" + 104 * b"0",
    "a web page": b"<!DOCTYPE html><title>404</title>",
    "manifest that is none": with_manifest(b"hello"),
    "manifest that is empty": with_manifest(b""),
    "manifest of a pod": with_manifest(b'{"acKind":"PodManifest","acVersion":"0.8.11"}'),
    "manifest without a name": with_manifest(b'{"acKind":"ImageManifest","acVersion":"0.8.11"}'),
    "manifest over 1 MiB": with_manifest(MANIFEST[:-1] + (1 << 20) * b" " + b"}"),
    "pax size too large": tar(M, R, pax({"size": b"99999"}), A),
    "pax record longer than its header": tar(M, R, raw(b"999 path=rootfs/right\n"), A),
    "pax record of length 0": tar(M, R, raw(b"0 path=rootfs/b\n"), A),
    "pax record longer than it says": tar(M, R, raw(b"9 path=rootfs/b\n"), A),
    "pax record shorter than it says": tar(M, R, raw(b"20 path=rootfs/b\n\n\n"), A),
    "pax record without a length": tar(M, R, raw(b"path=rootfs/b\n"), A),
    "pax record of negative length": tar(M, R, raw(b"-19 path=rootfs/b\n"), A),
    "pax record of a length that overflows": tar(M, R, raw(b"18446744073709551634 path=rootfs/b\n"), A),
    "pax record without a blank": tar(M, R, raw(b"16path=rootfs/b\n"), A),
    "pax record without an equals sign": tar(M, R, raw(b"14 path rootf\n"), A),
    "pax record without a key": tar(M, R, raw(b"13 =rootfs/b\n"), A),
    "pax record without its newline": tar(M, R, raw(b"17 path=rootfs/bb"), A),
    "pax header that is cut": tar(M, R, raw(b"25 mtime=1.5\n"), A),
    "pax key with a NUL": tar(M, R, pax({"pa\0th": b"rootfs/b"}), A),
    "pax path with a NUL": tar(M, R, pax({"path": b"rootfs/b\0c"}), A),
    "pax link with a NUL": tar(M, R, pax({"linkpath": b"a\0b"}), entry("rootfs/l", SYM, link="x")),
    "pax user with a NUL": tar(M, R, pax({"uname": b"a\0b"}), A),
    "pax owner that is no number": tar(M, R, pax({"uid": b"abc"}), A),
    "pax owner that is a fraction": tar(M, R, pax({"uid": b"1.5"}), A),
    "pax owner that is negative": tar(M, R, pax({"uid": b"-1"}), A),
    "pax owner of 2^32": tar(M, R, pax({"uid": b"4294967296"}), patched(A, 100, b"0004755\0")),
    "pax owner of 2^32-1": tar(M, R, pax({"uid": b"4294967295"}), A),
    "pax group that is no number": tar(M, R, pax({"gid": b"0x10"}), A),
    "pax group of 2^32": tar(M, R, pax({"gid": b"4294967296"}), A),
    "pax time nan": tar(M, R, pax({"mtime": b"nan"}), A),
    "pax time with an exponent": tar(M, R, pax({"mtime": b"1e9"}), A),
    "pax time with more behind": tar(M, R, pax({"mtime": b"1.5x"}), A),
    "pax time of access that is none": tar(M, R, pax({"atime": b"yesterday"}), A),
    "pax size that is no number": tar(M, R, pax({"size": b"five"}), A),
    "pax size that is negative": tar(M, R, pax({"size": b"-5"}), A),
    "pax path beside a GNU long name": tar(M, R, entry("././@LongLink", b"L", b"rootfs/b\0"), pax({"path": b"rootfs/c"}), A),
    "pax link beside a GNU long link": tar(M, R, entry("././@LongLink", b"K", b"b\0"), pax({"linkpath": b"c"}), entry("rootfs/l", SYM, link="x")),
    "pax hard link with data": tar(M, R, A, pax({"size": b"5"}), entry("rootfs/h", HARD, link="rootfs/a")),
    "pax name of a sparse file that is none": tar(M, R, pax({"GNU.sparse.name": b"rootfs/b"}), A),
    "pax extended attributes, 1,025": tar(M, R, raw(b"".join(record(f"SCHILY.xattr.user.{i}", b"") for i in range(1025))), A),
    "pax header before the end": tar(M, R, A, pax({"path": b"rootfs/b"})),
    "pax global path": tar(pax({"path": b"rootfs/b"}, b"g"), M, R, A),
    "pax global owner": tar(pax({"uid": b"1"}, b"g"), M, R, A),
    "pax global header that is malformed": tar(raw(b"999 comment=x\n", b"g"), M, R, A),
    "GNU long name before the end": tar(M, R, A, entry("././@LongLink", b"L", b"rootfs/b\0")),
    "size that is not octal": tar(M, R, patched(A, 124, b"00000000009\0")),
    "size with more behind": tar(M, R, patched(A, 124, b"0000005 x\0\0\0")),
    "size that is negative": tar(M, R, patched(A, 124, b"\xff" * 12)),
    "size of 2^64": tar(M, R, patched(A, 124, b"\x80\0\0\1" + 8 * b"\0")),
    "mode that is not octal": tar(M, R, patched(A, 100, b"000rwx5\0")),
    "owner that is not octal": tar(M, R, patched(A, 108, b"nobody\0\0")),
    "owner that is negative": tar(M, R, patched(A, 108, b"\xff" * 8)),
    "owner of 2^32": tar(M, R, patched(A, 108, b"\x80\0\0\1\0\0\0\0")),
    "time that is not octal": tar(M, R, patched(A, 136, b"00000000 now\0")),
    "device number that is not octal": tar(M, R, patched(entry("rootfs/c", CHR, major=1, minor=3), 329, b"000009\0\0")),
    "device number that Linux cannot have": tar(M, R, entry("rootfs/c", CHR, major=4096, minor=3)),
    "sparse, a segment of negative size": tar(M, R, old_sparse([(0, 3), (b"%011o\0" % 512, b"\xff" * 12)], 99999, b"abc")),
    "sparse, segments that overlap": tar(M, R, old_sparse([(0, 3), (1, 3)], 99999, b"abcdef")),
    "sparse, a segment beyond the size": tar(M, R, old_sparse([(500, 3)], 100, b"abc")),
    "sparse, less data than in its map": tar(M, R, old_sparse([(0, 600)], 99999, b"abc")),
    "sparse, more data than in its map": tar(M, R, old_sparse([(0, 3)], 99999, b"abcdef")),
    "sparse, 1.0, a map that is no number": tar(M, R, sparse({"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.name": b"rootfs/a",
                                                              "GNU.sparse.realsize": b"99999"}, padded(b"1\n5000\n-3\n") + b"abc")),
    "sparse, 1.0, no map": tar(M, R, sparse({"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.name": b"rootfs/a",
                                             "GNU.sparse.realsize": b"99999"}, b"")),
    "sparse, 0.1, an odd map": tar(M, R, sparse({"GNU.sparse.size": b"99999", "GNU.sparse.numblocks": b"1", "GNU.sparse.name": b"rootfs/a",
                                                 "GNU.sparse.map": b"5000,3,9"}, b"abc")),
    "sparse, a format of the future": tar(M, R, sparse({"GNU.sparse.major": b"2", "GNU.sparse.minor": b"0", "GNU.sparse.name": b"rootfs/a",
                                                        "GNU.sparse.realsize": b"99999"}, padded(b"1\n5000\n3\n") + b"abc")),
    "a single block of zeros between entries": M + R + 512 * b"\0" + A + END,
    "a type that is unknown": tar(M, R, entry("rootfs/a", b"Z")),
    "the label of a volume": tar(M, R, entry("label", b"V")),
}
