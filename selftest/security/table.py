# SPDX-License-Identifier: MIT
"""Judges what selftest/security/compare saw: `table.py RESULTS SECURITY.md` prints the table, and says which cells of SECURITY.md's
are others. A cell of SECURITY.md is what was seen, and after ": " what a reader wants to know about it.
`table.py --attacks` prints the attacks that /bin/attacks makes by itself."""

import os, re, sys

TOOLS = {"mayfly": "mayfly", "mayfly-user": "mayfly, as a user", "docker": "docker", "podman": "podman rootless", "nspawn": "systemd-nspawn"}
REFUSED = ("EPERM", "EACCES", "ENOSYS")

# An attack of a row of CALLS fails if the call is refused whatever its arguments are; of another, if anything stops it.
CALLS = {
    "calls for mounts are closed": "open_tree open_tree_attr fsopen fspick fsmount mount_setattr move_mount mount umount pivot_root",
    "calls for new namespaces are closed": "unshare setns clone-namespace clone3-namespace",
    "the kernel's keyrings are closed": "keyctl request_key 32-bit-keyctl",
    "io_uring is closed": "io_uring_setup io_uring_enter io_uring_register 32-bit-io_uring",
    "bpf, perf, userfaultfd, kcmp and fanotify are closed": "bpf perf_event_open userfaultfd kcmp fanotify_init",
    "process_madvise, move_pages and vmsplice are closed": "process_madvise move_pages vmsplice",
    "file handles are closed": "open_by_handle_at name_to_handle_at",
    "calls that set the time, swap, quotas and accounting are closed": "settimeofday clock_settime swapon quotactl acct",
    "the kernel's log is closed": "syslog",
    "host name and domain name cannot be set": "sethostname setdomainname",
    "a program cannot turn address randomization off": "personality",
    "no real-time priorities": "scheduler",
    "32-bit calls are filtered, too": "32-bit-mount 32-bit-unshare",
}
OTHERS = {
    "sockets of rare families (AF_VSOCK, AF_XDP, the audit's) cannot be made":
        "AF_VSOCK AF_XDP AF_ALG AF_KEY AF_BLUETOOTH NETLINK_AUDIT 32-bit-socketcall",
    "no files of the kernel in /proc and /sys can be written": "core_pattern proc-sys sysrq sys-files proc-files",
    "files of /proc and /sys that tell of the whole host are hidden": "kernel-files",
    "no device can be made and opened": "new-device",
    "a device in a volume cannot be opened": "device",
    "set-user-ID in a volume has no effect inside": "set-user-id",
    "PID 1 cannot be read and traced by root inside": "files-of-init trace-init",
    "no descriptor is left open": "descriptors",
    "a user of the host with the ID of a process inside cannot read, signal or trace it": "process",
    "abstract sockets of the host are out of reach": "abstract-socket",
    "services on the host's 127.0.0.1 are out of reach": "local-service",
    "services on the host's other addresses are out of reach": "service",
    "no raw packets, when on the host's network": "raw-socket",
    "no working directory is outside (CVE-2024-21626)": "climb",
    "an archive writes nothing outside": "archive",
}
# These want an argument, or are made by the scripts `inside` and `compare`.
SPECIAL = "device set-user-id process abstract-socket local-service service raw-socket climb archive".split()


def owner(user):
    return {"0": "root", "1777": "a user"}.get(user, "nobody" if int(user) >= 65536 else "the user")


def limit(value):
    return "no" if value in ("0", "<nil>", "infinity") else "yes"


# A row, the name of its line, and the cell that its value gives.
VALUES = {
    "root inside is, on the host,": ("root-is", owner),
    "a set-user-ID file that root inside leaves in a volume belongs to": ("left", owner),
    "capabilities that a program inside can get": ("capabilities", lambda mask: str(bin(int(mask, 16)).count("1"))),
    "the number of processes is limited by default": ("tasks", limit),
    "memory is limited by default": ("memory", limit),
}


def read(path):
    with open(path, encoding="utf-8") as lines:
        return dict(line.split(maxsplit=1) for line in lines.read().splitlines())


def succeeds(result, is_call):
    return result is not None and (result not in REFUSED if is_call else result == "SUCCESS")


def attacks_cell(tool, attacks, is_call):
    untried = [name for name in attacks if name not in tool]
    if untried:
        return "not tried: " + ", ".join(untried)
    successes = [name for name in attacks if succeeds(tool.get(name), is_call)]
    return "no: " + ", ".join(successes) if successes else "yes"


def judge(results):
    """The rows that this kernel lets be tried: {description: {tool: cell}}, and the names of those that it does not."""
    rows, missing = {}, []
    for row, (name, cell) in VALUES.items():
        rows[row] = {tool: cell(results[tool][name]) if name in results[tool] else "not tried" for tool in TOOLS}
    for table in (CALLS, OTHERS):
        for row, names in table.items():
            # What works nowhere, not even without a container, is something that this kernel lacks.
            real = [name for name in names.split() if any(succeeds(seen.get(name), table is CALLS) for seen in results.values())]
            missing += set(names.split()) - set(real)
            if real:
                rows[row] = {tool: attacks_cell(results[tool], real, table is CALLS) for tool in TOOLS}
    return rows, missing


def documented(path):
    """The same of SECURITY.md's table."""
    with open(path, encoding="utf-8") as lines:
        text = lines.read().split("\n## Compared\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    head = [row for row in rows if row[0] == "protection"][0]
    assert head[1:] == list(TOOLS.values()), f"the columns of {path} are {head[1:]}, not {list(TOOLS.values())}"
    return {row[0]: dict(zip(TOOLS, row[1:])) for row in rows if len(row) == len(head)}


def main():
    if sys.argv[1] == "--attacks":
        print("\n".join(name for names in {**CALLS, **OTHERS}.values() for name in names.split() if name not in SPECIAL))
        return 0
    directory, path = sys.argv[1:]
    results = {tool: read(f"{directory}/{tool}") for tool in ["none", *TOOLS]}
    died = [f"{tool}: {name}" for tool in results for name, result in results[tool].items() if result == "DIED"]
    rows, missing = judge(results)
    with open(f"{directory}/versions", encoding="utf-8") as versions:
        compared = versions.read().split("\n")[:-1]
    print("compared:", ", ".join(compared))
    print("| protection |", " | ".join(TOOLS.values()), "|")
    for row, cells in rows.items():
        print(f"| {row} |", " | ".join(cells.values()), "|")
    if missing:
        print("not tried, for they fail on this kernel without a container, too:", ", ".join(sorted(missing)))
    said = documented(path)
    with open(path, encoding="utf-8") as lines:
        text = " ".join(lines.read().split())
    kernel = "Linux " + ".".join(os.uname().release.split(".")[:2])
    numbers = [number for line in compared[1:] for number in re.findall(r"\d+\.\d+(?:\.\d+)?", line)]
    others = [version for version in [kernel, *numbers] if version not in text]
    notes = []
    wrong = [f"an attack ended by a signal: {name}" for name in died]
    wrong += [f"{path} has no row \"{row}\"" for row in rows if row not in said]
    wrong += [f"no test tries the row \"{row}\" of {path}" for row in said if row not in {**CALLS, **OTHERS, **VALUES, "protection": 0}]
    for row in said:
        for tool, cell in rows.get(row, {}).items():
            if said[row][tool].split(": ")[0] != cell.split(": ")[0]:
                # What other tools do depends on their versions, and on the kernel's.
                to = notes if others and not tool.startswith("mayfly") else wrong
                to.append(f"\"{row}\", {TOOLS[tool]}: {path} says \"{said[row][tool]}\", but the test saw \"{cell}\"")
    for line in notes:
        print(f"NOTE: {line}; {path} is about other versions than {', '.join(others)}")
    for line in wrong:
        print("FAILED:", line, file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
