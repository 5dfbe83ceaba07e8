/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/host-snapshot.h"
#include "cli/kept.h"
#include "cli/text.h"
#include "engine/bus.h"
#include "util/escape.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/time.h"

#define WAIT_MS 1000U  /* what the kernel and systemd may take for the last of it */
#define REAP_MS 10000U /* what a PID 1 may take that looks for zombies now and then */
#define LEAKED 3       /* exit status: neither success, nor failure, nor misuse */

/* Lines that belong to a container. */
static const char *const containers[] = {
        "process *mayfly-launch --machine *",
        "process *mayfly-keep --*",
        "process *systemd-nspawn * --machine=*",
        "process * /run/mayfly/init in *",
        "process * in cgroup *mayfly-*",
        "cgroup *mayfly-*",
        "machine *",
        "unit mayfly-*",
        "mount *mayfly*",
        "mount *nspawn*",
        "mntns *(mayfly-*",
        "mntns *(systemd-nspawn), *",
        "netns *(mayfly-*",
        "netns *(systemd-nspawn)",
        "file /run/mayfly*",
        "file *nspawn*",
        "file /run/systemd/machines/*",
        "file /run/systemd/transient/mayfly-*",
};

/* Lines of what systemd makes when it is first asked for anything, and keeps; and the directories of sockets and state files. */
static const char *const stays[] = {
        "file /run/mayfly",
        "file /run/user/[0-9]*/mayfly",
        "file /tmp/mayfly-[0-9]*.run",
        "file /run/mayfly/containers",
        "file /run/user/[0-9]*/mayfly/containers",
        "file /tmp/mayfly-[0-9]*.run/containers",
        "file /run/systemd/machines",
        "file /run/systemd/nspawn",
        "file /run/systemd/transient",
        "bus * (systemd-machine)",
};

/* Below them files are looked at. */
static const char *const default_directories[] = { "/run", "/tmp", "/var/tmp", "/dev/shm" };

struct choices {
        const char **match, **ignore, **directories; /* NULL-terminated, or NULL */
        const char *save, *since;
        unsigned wait_ms;
        int all, no_bus, print;
        struct tool_kept kept;
        size_t for_init; /* zombies that PID 1 is to reap, counted by is_wanted() */
};

static void print_line(const char *line)
{
        mf_cleanup(mf_freep) char *escaped = mf_escape_dup(line);

        if (!escaped)
                tool_oom();
        fprintf(stderr, "  %s\n", escaped);
}

/* Whether a line of a snapshot counts; prints it if that is asked for. */
static int is_wanted(const char *line, void *userdata)
{
        struct choices *choices = userdata;
        const char *description = mf_snapshot_description(line);
        mf_cleanup(mf_freep) char *printed = NULL;
        int wanted = choices->all;

        if (asprintf(&printed, "%.*s %s", (int) strcspn(line, "\t"), line, description) < 0) {
                printed = NULL;
                return 1;
        }
        for (const char **text = choices->match; text && *text && !wanted; text++)
                wanted = strstr(printed, *text) != NULL;
        for (size_t i = 0; i < MF_ELEMENTSOF(containers) && !choices->match && !wanted; i++)
                wanted = fnmatch(containers[i], printed, 0) == 0;
        if (!wanted)
                return 0;
        for (const char **pattern = choices->ignore; pattern && *pattern; pattern++)
                if (fnmatch(*pattern, printed, 0) == 0)
                        return 0;
        if (tool_kept_has(&choices->kept, line))
                return 0;
        for (size_t i = 0; i < MF_ELEMENTSOF(stays); i++)
                if (fnmatch(stays[i], printed, 0) == 0)
                        return 0;
        choices->for_init += fnmatch("process *(parent 1, state Z)*", printed, 0) == 0;
        if (choices->print)
                print_line(printed);
        return 1;
}

static int take(const struct choices *choices, struct mf_snapshot *ret)
{
        mf_cleanup(mf_freep) const char **directories = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        size_t n = mf_strv_length(choices->directories);

        directories = calloc(MF_ELEMENTSOF(default_directories) + n + 1, sizeof(*directories));
        if (!directories)
                tool_oom();
        memcpy(directories, default_directories, sizeof(default_directories));
        if (n > 0)
                memcpy(directories + MF_ELEMENTSOF(default_directories), choices->directories, n * sizeof(char *));
        const struct mf_snapshot_scope scope = { .directories = directories,
                                                 .bus = !choices->no_bus && mf_bus_booted() };
        return mf_snapshot_take(ret, &scope, &err) < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

/* Counts what is in `after` and not in `before`. */
static size_t count(struct choices *choices, const struct mf_snapshot *before, const struct mf_snapshot *after)
{
        tool_kept_clear(&choices->kept);
        if (tool_kept_find(&choices->kept, after) < 0)
                tool_oom();
        choices->print = 0;
        choices->for_init = 0;
        return mf_snapshot_compare(before, after, is_wanted, choices);
}

/* Looks again and again until nothing is left, or the time is over; then prints what is left. Returns an exit status. */
static int compare(struct choices *choices, const struct mf_snapshot *before)
{
        uint64_t deadline = mf_now_us() + (uint64_t) choices->wait_ms * 1000;

        for (;;) {
                struct mf_snapshot after;
                int last = mf_now_us() >= deadline;
                int r = take(choices, &after);
                if (r != TOOL_OK)
                        return r;
                size_t left = count(choices, before, &after);
                unsigned more_ms = left == choices->for_init ? REAP_MS : 0;
                last = last && mf_now_us() >= deadline + (uint64_t) more_ms * 1000;
                if (left > 0 && last) {
                        fprintf(stderr, "mayfly: %zu thing%s left behind, %u ms after the end:\n", left,
                                tool_plural(left), choices->wait_ms + more_ms);
                        choices->print = 1;
                        mf_snapshot_compare(before, &after, is_wanted, choices);
                }
                mf_snapshot_clear(&after);
                if (left == 0 || last) {
                        tool_kept_print(&choices->kept);
                        tool_kept_clear(&choices->kept);
                        return left == 0 ? TOOL_OK : LEAKED;
                }
                usleep(20000);
        }
}

static int save(const struct choices *choices)
{
        struct mf_snapshot now;
        int r = take(choices, &now);

        if (r != TOOL_OK)
                return r;
        FILE *f = fopen(choices->save, "we");
        if (!f || mf_snapshot_write(&now, f) < 0)
                r = tool_fail("writing \"%.500s\": %s", choices->save, strerror(errno));
        if (f && fclose(f) != 0 && r == TOOL_OK)
                r = tool_fail("writing \"%.500s\": %s", choices->save, strerror(errno));
        mf_snapshot_clear(&now);
        return r;
}

static int since(struct choices *choices)
{
        struct mf_snapshot before = { 0 };
        FILE *f = fopen(choices->since, "re");

        if (!f)
                return tool_fail("reading \"%.500s\": %s; write it with mayfly leak-check --save", choices->since,
                                 strerror(errno));
        int r = mf_snapshot_read(&before, f);
        fclose(f);
        if (r < 0 || before.n == 0)
                r = tool_fail("\"%.500s\" is not what mayfly leak-check --save writes", choices->since);
        else
                r = compare(choices, &before);
        mf_snapshot_clear(&before);
        return r;
}

/* Runs a command. Returns its exit status as a shell does: 128 + N for a signal. */
static int run_command(char **argv)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                execvp(argv[0], argv);
                int code = errno == ENOENT ? 127 : 126;
                tool_fail("executing \"%.500s\": %s", argv[0], strerror(errno));
                _exit(code);
        }
        if (pid < 0)
                return tool_fail("fork: %s", strerror(errno));
        /* A Ctrl-C is for the command. What the command leaves then is of interest, too. */
        signal(SIGINT, SIG_IGN);
        signal(SIGQUIT, SIG_IGN);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_between(struct choices *choices, char **argv)
{
        struct mf_snapshot before;
        int r = take(choices, &before);

        if (r != TOOL_OK)
                return r;
        int status = run_command(argv);
        r = compare(choices, &before);
        mf_snapshot_clear(&before);
        return status ? status : r;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .wait_ms = WAIT_MS };
        struct tool_operands operands;
        int status = tool_parse(&tool_leak_check, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if ((choices.save != NULL) + (choices.since != NULL) + (operands.n > 0) != 1)
                return tool_usage("leak-check", "exactly one of a command, --save=FILE and --since=FILE must be given");
        if (geteuid() != 0)
                return tool_fail("leak-check must be root to see the namespaces of every process; run it with sudo");
        if (choices.save)
                return save(&choices);
        if (choices.since)
                return since(&choices);
        return run_between(&choices, operands.list);
}

static const struct tool_option options[] = {
        { .name = "match",
          .kind = TOOL_LIST,
          .at = offsetof(struct choices, match),
          .value = "TEXT",
          .help = "count what has TEXT in its line, instead of all that looks like a container; may be repeated" },
        { .name = "all",
          .letter = 'a',
          .at = offsetof(struct choices, all),
          .help = "count everything that was added, whosever it is" },
        { .name = "ignore",
          .kind = TOOL_LIST,
          .at = offsetof(struct choices, ignore),
          .value = "PATTERN",
          .help = "do not count lines that match the shell pattern; may be repeated" },
        { .name = "directory",
          .kind = TOOL_LIST,
          .at = offsetof(struct choices, directories),
          .value = "DIRECTORY",
          .help = "list the files below DIRECTORY too, such as an image store; may be repeated" },
        { .name = "no-bus",
          .at = offsetof(struct choices, no_bus),
          .help = "do not ask systemd, machined and D-Bus; where systemd is not PID 1 they are never asked" },
        { .name = "wait",
          .kind = TOOL_NUMBER,
          .at = offsetof(struct choices, wait_ms),
          .value = "MS",
          .first = 3600000,
          .help = "how long what is left may take to go, in milliseconds; default 1000" },
        { .name = "save",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, save),
          .value = "FILE",
          .help = "run no command, and note in FILE what is there now" },
        { .name = "since",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, since),
          .value = "FILE",
          .help = "run no command, and print what was added since FILE was written" },
        TOOL_OPTIONS_END,
};

const struct tool_command tool_leak_check = {
        .name = "leak-check",
        .summary = "run a command, and print what its containers left on this host",
        .synopsis = "[OPTION]... COMMAND [ARGUMENT]...\n--save=FILE\n[OPTION]... --since=FILE",
        .description = "Prints what containers left behind: processes, cgroups, systemd units, machines, mounts in any "
                       "mount namespace, network namespaces and links, connections to the system bus, and files below "
                       "/run, /tmp, /var/tmp and /dev/shm.",
        .exit_status = "COMMAND's if that failed, else 0 for nothing left, 3 for something left, 2 when the command "
                       "line is wrong, and 1 when this host could not be looked at.",
        .options = options,
        .ends_at_operand = 1,
        .run = run,
};
