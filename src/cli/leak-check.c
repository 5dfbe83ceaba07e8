/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/host-snapshot.h"
#include "engine/bus.h"
#include "util/macro.h"
#include "util/time.h"

#define WAIT_MS 1000U /* what the kernel and systemd may take for the last of it */
#define LEAKED 3      /* exit status: neither success, nor failure, nor misuse */
#define MAX 64

/* The lines of what belongs to a container. */
static const char *const containers[] = {
        "process *mayfly-launch --machine *",
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

/* What systemd makes when it is first asked for anything, and keeps. */
static const char *const kept[] = {
        "file /run/systemd/machines",
        "file /run/systemd/nspawn",
        "file /run/systemd/transient",
        "bus * (systemd-machine)",
};

struct options {
        const char *match[MAX + 1], *ignore[MAX + 1], *folders[MAX + 1];
        size_t n_match, n_ignore, n_folders;
        const char *save, *since;
        unsigned wait_ms;
        int all, no_bus, print;
};

static const char usage[] =
        "Usage: mayfly leak-check [OPTION]... COMMAND [ARGUMENT]...\n"
        "       mayfly leak-check --save FILE        notes what is there now\n"
        "       mayfly leak-check [OPTION]... --since FILE   tells what has been added since\n"
        "\n"
        "Tells what containers left behind: processes, cgroups, systemd units, machines, mounts in any mount\n"
        "namespace, network namespaces and links, connections to the system bus, and files below /run, /tmp,\n"
        "/var/tmp and /dev/shm.\n"
        "\n"
        "  --match TEXT      count what has TEXT in it, instead of all that looks like a container; may be repeated\n"
        "  --all             count everything that was added, whosever it is\n"
        "  --ignore PATTERN  shell pattern (of the printed line) for what not to count; may be repeated\n"
        "  --folder FOLDER   list the files below FOLDER too, an image store for one; may be repeated\n"
        "  --no-bus          do not ask systemd, machined and D-Bus, as on hosts that systemd did not boot\n"
        "  --wait MS         how long it may take to go, in ms; default 1000\n"
        "  --help            print this\n"
        "\n"
        "Exit status: COMMAND's if that failed, else 0 for nothing left, 3 for something left, 2 for misuse and 1 "
        "when\n"
        "this host could not be looked at.\n";

static int is_wanted(const char *line, void *userdata)
{
        const struct options *options = userdata;
        const char *description = strchr(strchr(line, '\t') + 1, '\t') + 1;
        mf_cleanup(mf_freep) char *printed = NULL;
        int wanted = options->all;

        if (asprintf(&printed, "%.*s %s", (int) strcspn(line, "\t"), line, description) < 0) {
                printed = NULL;
                return 1;
        }
        for (size_t i = 0; i < options->n_match && !wanted; i++)
                wanted = strstr(printed, options->match[i]) != NULL;
        for (size_t i = 0; i < MF_ELEMENTSOF(containers) && options->n_match == 0 && !wanted; i++)
                wanted = fnmatch(containers[i], printed, 0) == 0;
        if (!wanted)
                return 0;
        for (size_t i = 0; i < options->n_ignore; i++)
                if (fnmatch(options->ignore[i], printed, 0) == 0)
                        return 0;
        for (size_t i = 0; i < MF_ELEMENTSOF(kept); i++)
                if (fnmatch(kept[i], printed, 0) == 0)
                        return 0;
        if (options->print)
                fprintf(stderr, "  %s\n", printed);
        return 1;
}

static int take(const struct options *options, struct mf_snapshot *ret)
{
        const struct mf_snapshot_scope scope = { .folders = options->folders,
                                                 .bus = !options->no_bus && mf_bus_booted() };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        return mf_snapshot_take(ret, &scope, &err) < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

/* Looks again and again until nothing is left, or the time is over; then prints what is. */
static int compare(struct options *options, const struct mf_snapshot *before)
{
        uint64_t deadline = mf_now_us() + (uint64_t) options->wait_ms * 1000;

        for (;;) {
                struct mf_snapshot after;
                int last = mf_now_us() >= deadline;
                int r = take(options, &after);
                if (r != TOOL_OK)
                        return r;
                options->print = 0;
                size_t left = mf_snapshot_compare(before, &after, is_wanted, options);
                if (left > 0 && last) {
                        fprintf(stderr, "mayfly: %zu thing%s left behind, %u ms after the end:\n", left,
                                left == 1 ? "" : "s", options->wait_ms);
                        options->print = 1;
                        mf_snapshot_compare(before, &after, is_wanted, options);
                }
                mf_snapshot_clear(&after);
                if (left == 0)
                        return TOOL_OK;
                if (last)
                        return LEAKED;
                usleep(20000);
        }
}

static int save(const struct options *options)
{
        struct mf_snapshot now;
        int r = take(options, &now);

        if (r != TOOL_OK)
                return r;
        FILE *f = fopen(options->save, "we");
        if (!f || mf_snapshot_write(&now, f) < 0)
                r = tool_fail("writing \"%.500s\": %s", options->save, strerror(errno));
        if (f && fclose(f) != 0 && r == TOOL_OK)
                r = tool_fail("writing \"%.500s\": %s", options->save, strerror(errno));
        mf_snapshot_clear(&now);
        return r;
}

static int since(struct options *options)
{
        struct mf_snapshot before = { 0 };
        FILE *f = fopen(options->since, "re");

        if (!f)
                return tool_fail("reading \"%.500s\": %s; write it with mayfly leak-check --save", options->since,
                                 strerror(errno));
        int r = mf_snapshot_read(&before, f);
        fclose(f);
        if (r < 0 || before.n == 0)
                r = tool_fail("\"%.500s\" is not what mayfly leak-check --save writes", options->since);
        else
                r = compare(options, &before);
        mf_snapshot_clear(&before);
        return r;
}

/* As a shell gives it: 128 + N for a signal. */
static int run(char **argv)
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
        /* A Ctrl-C is the command's to answer; what it leaves then is of interest, too. */
        signal(SIGINT, SIG_IGN);
        signal(SIGQUIT, SIG_IGN);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_between(struct options *options, char **argv)
{
        struct mf_snapshot before;
        int r = take(options, &before);

        if (r != TOOL_OK)
                return r;
        int status = run(argv);
        r = compare(options, &before);
        mf_snapshot_clear(&before);
        return status ? status : r;
}

static int parse(int argc, char **argv, struct options *ret)
{
        static const struct option known[] = {
                { "match", required_argument, NULL, 'm' },  { "all", no_argument, NULL, 'a' },
                { "ignore", required_argument, NULL, 'i' }, { "folder", required_argument, NULL, 'f' },
                { "wait", required_argument, NULL, 'w' },   { "save", required_argument, NULL, 's' },
                { "since", required_argument, NULL, 'b' },  { "help", no_argument, NULL, 'h' },
                { "no-bus", no_argument, NULL, 'n' },       { NULL, 0, NULL, 0 },
        };
        char *end;
        int c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, "+", known, NULL)) >= 0) {
                if (ret->n_match == MAX || ret->n_ignore == MAX || ret->n_folders == MAX)
                        return tool_usage("more than %d times the same option", MAX - 1);
                if (c == 'm')
                        ret->match[ret->n_match++] = optarg;
                else if (c == 'i')
                        ret->ignore[ret->n_ignore++] = optarg;
                else if (c == 'f')
                        ret->folders[ret->n_folders++] = optarg;
                else if (c == 'a')
                        ret->all = 1;
                else if (c == 'n')
                        ret->no_bus = 1;
                else if (c == 's')
                        ret->save = optarg;
                else if (c == 'b')
                        ret->since = optarg;
                else if (c == 'h')
                        return fputs(usage, stdout), -1;
                else if (c != 'w')
                        return tool_usage("leak-check: \"%.100s\" is no option, or lacks its value; see mayfly "
                                          "leak-check --help",
                                          argv[optind - 1]);
                if (c != 'w')
                        continue;
                unsigned long ms = strtoul(optarg, &end, 10);
                if (*optarg < '0' || *optarg > '9' || *end || ms > 3600000)
                        return tool_usage("--wait %.100s is not a number of ms up to 3600000", optarg);
                ret->wait_ms = (unsigned) ms;
        }
        if ((ret->save != NULL) + (ret->since != NULL) + (optind < argc) != 1)
                return tool_usage("leak-check wants a command, or --save FILE, or --since FILE; see mayfly leak-check "
                                  "--help");
        return 0;
}

int tool_leak_check(int argc, char **argv)
{
        struct options options = { .folders = { "/run", "/tmp", "/var/tmp", "/dev/shm" },
                                   .n_folders = 4,
                                   .wait_ms = WAIT_MS };
        int r = parse(argc, argv, &options);

        if (r != 0)
                return r < 0 ? TOOL_OK : r;
        if (geteuid() != 0)
                return tool_fail("leak-check must see every process's namespaces; run it with sudo");
        if (options.save)
                return save(&options);
        if (options.since)
                return since(&options);
        return run_between(&options, argv + optind);
}
