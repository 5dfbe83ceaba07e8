# SPDX-License-Identifier: MIT
"""What the tests of README.md and CONTRIBUTING.md share: the blocks of code in a document, and commands run in a clean clone."""

import os, pathlib, re, subprocess, sys

top = pathlib.Path(__file__).resolve().parents[2]
failures = []


def blocks(text):
    """Yields the comment before each block of code, the block, and its line number."""
    comment, code, fence, begin = None, [], False, 0
    for number, line in enumerate(text.splitlines() + [""], 1):
        if line.startswith("```"):
            if fence:
                yield comment, "\n".join(code) + "\n", begin
                comment, code = None, []
            fence, begin = not fence, number
        elif fence:
            code.append(line)
        elif line.startswith("    "):
            begin = begin if code else number
            code.append(line[4:])
        else:
            if code:
                yield comment, "\n".join(code) + "\n", begin
                comment, code = None, []
            match = re.fullmatch(r"<!-- (.*) -->", line)
            if match:
                comment = match[1]
            elif line:
                comment = None


def fail(where, why):
    failures.append(where)
    print(f"FAILED: {where}: {why}", file=sys.stderr, flush=True)


def run(where, script, directory):
    """Runs a shell script and returns what it printed."""
    directory.mkdir(exist_ok=True)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0:
        fail(where, f"exit status {done.returncode} of\n{script}{done.stdout[-4000:]}")
    return done.stdout


def by_ci_test(where, code):
    """Each command is one that ci/test runs, or ci/test itself, which .ci/run runs."""
    for line in code.splitlines():
        command = re.sub(r"^sudo ", "", line).split()[0]
        user = top / (".ci/run" if command == "ci/test" else "ci/test")
        if not os.access(top / command, os.X_OK):
            fail(where, f"{command} cannot be executed")
        elif not re.search(rf"^ *(exec )?{re.escape(command)}$", user.read_text(), re.M):
            fail(where, f"{user.relative_to(top)} does not run {command}")


def clean_clone(work, programs):
    """Clones the repository to work/clone, and prepares the environment: programs of our own, and no variable of mayfly's."""
    bin = work / "bin"
    bin.mkdir()
    for program, script in {"sudo": 'exec env "$@"', **programs}.items():
        (bin / program).write_text(f"#!/bin/bash\n{script}\n")
        (bin / program).chmod(0o755)
    for variable in [v for v in os.environ if v.startswith("MAYFLY_")]:
        del os.environ[variable]
    os.environ.update(PATH=f"{bin}:/usr/local/bin:{os.environ['PATH']}", MAYFLY_REQUIRE="1", CCACHE_BASEDIR=str(work / "clone"))
    run("git clone", f"git -c safe.directory='*' clone -q {top} clone", work)
    return work / "clone"
