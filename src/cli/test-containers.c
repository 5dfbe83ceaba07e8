/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <mayfly/share.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/keepers.h"
#include "cli/named.h"
#include "cli/test.h"
#include "container/state-file.h"
#include "util/env-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/nearest.h"
#include "util/runtime-dir.h"
#include "util/strv.h"

/* The containers of a run: `mayfly up` starts them, and their state files are in the directory of the run. */

#define NOTE_MAX (2U * MAYFLY_ERROR_MESSAGE_MAX)
#define MARK_TRIES 100U           /* while others remove the directory that they leave empty */
#define UNSUPPORTED "unsupported" /* file in the directory: why this host cannot run containers */

static char *path_in(const char *directory, const char *name, const char *suffix)
{
        char *path = NULL;

        if (asprintf(&path, "%s/%s%s", directory, name, suffix) < 0)
                tool_oom();
        return path;
}

/* Runs this command with other words. Returns its exit status. */
static int run_self(char *const *words)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* ctest kills this process alone at a TIMEOUT */
                execv("/proc/self/exe", words);
                _exit(tool_fail("/proc/self/exe cannot be executed: %s", strerror(errno)));
        }
        if (pid < 0)
                return tool_fail("mayfly %s cannot be started: %s", words[1], strerror(errno));
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : TOOL_FAILED;
}

/* Whether the container of a state file runs; else err says why not. */
static int runs(const char *file, struct mayfly_error *err)
{
        struct mayfly_container *container = NULL;

        int r = mayfly_container_attach(&container, file, err);
        mayfly_container_free(container);
        return r == 0 || r == -EBUSY; /* paused */
}

/* --- starting and ending ---------------------------------------------------------------------------------------- */

/* The containers of a declaration, by their names; those of compose are services. */
static json_t *containers_of(json_t *document)
{
        json_t *services = json_object_get(document, "services");

        return services ? services : json_object_get(document, "containers");
}

/* Whether all containers of the declaration run. */
static int all_run(const struct tool_test *test, const char *declaration)
{
        json_t *document = json_load_file(declaration, 0, NULL); /* `mayfly up` says what is wrong with it */
        json_t *containers = containers_of(document), *container;
        int all = json_object_size(containers) > 0;
        const char *name;

        json_object_foreach(containers, name, container) {
                mf_cleanup(mf_freep) char *file = path_in(test->state, name, TOOL_STATE_SUFFIX);
                all = all && runs(file, NULL);
        }
        json_decref(document);
        return all;
}

/* Whether the same declaration stands before this place of the list. */
static int was_there(const struct tool_test *test, const char *const *place)
{
        for (const char **other = test->declarations; other != place; other++)
                if (strcmp(*other, *place) == 0)
                        return 1;
        return 0;
}

/* Writes why this host cannot run containers, for the tests that need them. */
static int note_unsupported(const struct tool_test *test, const char *why)
{
        mf_cleanup(mf_freep) char *path = path_in(test->state, UNSUPPORTED, "");
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "we");

        if (!f || fputs(why, f) < 0 || fflush(f) != 0)
                return tool_fail("writing %s: %s", path, strerror(errno));
        return TEST_SKIPPED;
}

static int check_host(const struct tool_test *test)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = mayfly_host_check(MAYFLY_ENGINE_DEFAULT, &err);
        if (r == 0)
                return TOOL_OK;
        (void) tool_fail("%s", err.message);
        return test->skip_unsupported && !mf_env_requires() && err.stage == MAYFLY_STAGE_HOST && r != -ENOEXEC
                       ? note_unsupported(test, err.message)
                       : TOOL_FAILED;
}

static int start(const struct tool_test *test, const char *owner, const char *declaration)
{
        const char *const words[] = { "mayfly",  "up",        "--detach",
                                      "--state", test->state, "--owner-pid",
                                      owner,     declaration, test->up ? NULL : "--quiet",
                                      NULL };

        return run_self((char *const *) (uintptr_t) words);
}

/* The file in the directory of the run that says that a declaration is or was up; allocated. */
static char *mark_of(const char *directory, const char *declaration)
{
        const char *slash = strrchr(declaration, '/');

        return path_in(directory, slash ? slash + 1 : declaration, ".up");
}

/* Opens the directory of the run, and makes it unless it is there. It must be this user's alone: where others can write, a file could be a
 * link to any other. Returns a descriptor or negative errno with an error. */
static int open_directory(const struct tool_test *test, struct mayfly_error *err)
{
        int fd = -1, r = mf_mkdir_p(test->state);

        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_SPEC, "making the directory \"%s\"", test->state);
        r = mf_runtime_dir_lock(test->state, &fd, err);
        mf_unlock(fd);
        return r < 0 ? r : fd;
}

/* Makes a file in the directory of the run, so that nobody else's --down removes it. */
static int mark(const struct tool_test *test, const char *declaration)
{
        mf_cleanup(mf_freep) char *path = mark_of(".", declaration);
        int fd = -1, r = -ENOENT;

        for (unsigned i = 0; r == -ENOENT && i < MARK_TRIES; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                mf_cleanup(mf_closep) int directory = open_directory(test, &err);
                if (directory < 0)
                        return tool_fail("%s", err.message);
                fd = openat(directory, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                r = fd < 0 ? -errno : 0;
        }
        if (r < 0)
                return tool_fail("%s/%s cannot be made: %s", test->state, path, strerror(-r));
        mf_close(fd);
        return TOOL_OK;
}

int tool_test_up(const struct tool_test *test, const struct tool_run *run)
{
        int status = TOOL_OK;
        char pid[16];

        snprintf(pid, sizeof(pid), "%d", (int) run->pid);
        for (const char **declaration = test->declarations; status == TOOL_OK && *declaration; declaration++)
                status = mark(test, *declaration);
        if (status == TOOL_OK)
                status = check_host(test);
        for (const char **declaration = test->declarations; status == TOOL_OK && *declaration; declaration++)
                if (!was_there(test, declaration) && !all_run(test, *declaration))
                        status = start(test, pid, *declaration);
        return status;
}

/* Adds the names of the containers of a declaration that run. */
static void add_running(const struct tool_test *test, const char *declaration, struct mf_strings *words)
{
        json_t *document = json_load_file(declaration, 0, NULL), *container;
        const char *name;

        json_object_foreach(containers_of(document), name, container) {
                mf_cleanup(mf_freep) char *file = path_in(test->state, name, TOOL_STATE_SUFFIX);
                mf_cleanup(mf_freep) char *end = path_in(test->state, name, TOOL_END_SUFFIX);
                if (runs(file, NULL) && mf_strings_add(words, strdup(name)) < 0)
                        tool_oom();
                (void) unlink(end);
        }
        json_decref(document);
}

int tool_test_down(const struct tool_test *test)
{
        mf_cleanup(mf_strings_clear) struct mf_strings words = { 0 };
        const char *const front[] = { "mayfly", "down", "--state", test->state };
        int status = TOOL_OK;

        for (size_t i = 0; i < MF_ELEMENTSOF(front); i++)
                if (mf_strings_add(&words, strdup(front[i])) < 0)
                        tool_oom();
        for (const char **declaration = test->declarations; *declaration; declaration++)
                if (!was_there(test, declaration))
                        add_running(test, *declaration, &words);
        if (words.n > MF_ELEMENTSOF(front))
                status = run_self(words.list);
        for (const char **declaration = test->declarations; *declaration; declaration++) {
                mf_cleanup(mf_freep) char *path = mark_of(test->state, *declaration);
                (void) unlink(path);
        }
        (void) rmdir(test->state); /* unless others are up */
        return status;
}

/* --- using ------------------------------------------------------------------------------------------------------ */

/* Prints the beginning, and the file if it is there. Returns whether it is. */
static int prints(const struct tool_test *test, const char *name, const char *suffix, const char *before)
{
        mf_cleanup(mf_freep) char *path = path_in(test->state, name, suffix), *text = NULL;
        size_t size;

        if (mf_read_file_at(AT_FDCWD, path, NOTE_MAX, &text, &size) < 0)
                return 0;
        (void) tool_fail("%s%s", before, text);
        return 1;
}

static int complain(const struct tool_test *test, const char *name, const struct mayfly_error *err)
{
        if (prints(test, name, TOOL_END_SUFFIX, "a container that this test needs does not run any more: "))
                return TOOL_FAILED;
        return tool_fail("container \"%s\", which this test needs, does not run: %s", name, err->message);
}

static int use(const struct tool_test *test, const char *name)
{
        mf_cleanup(mf_freep) char *file = path_in(test->state, name, TOOL_STATE_SUFFIX);
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        return runs(file, &err) ? tool_test_set(name, file) : complain(test, name, &err);
}

/* Asks a keeper for a container that begins from the snapshot of another, and ends with this process. Returns 0 or negative errno. */
static int ask_for_branch(const struct tool_test *test, pid_t keeper, const char *name, const char *file,
                          json_t **ret_answer)
{
        char id[CONTROL_ID_MAX];

        keepers_id(test->state, id);
        mf_cleanup(mf_closep) int fd = control_connect(keeper, id);
        return fd < 0 ? fd
                      : control_ask(fd,
                                    json_pack("{s:s, s:s, s:s, s:i}", "request", "branch", "container", name, "file",
                                              file, "owner", (int) getpid()),
                                    0, ret_answer);
}

static int use_snapshot(const struct tool_test *test, const char *name)
{
        mf_cleanup(mf_freep) char *file = path_in(test->state, name, TOOL_STATE_SUFFIX), *own = NULL;
        mf_cleanup(mf_state_clear) struct mf_state state = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        json_t *answer = NULL;

        if (!runs(file, &err) || mf_state_read(file, &state, &err) < 0)
                return complain(test, name, &err);
        if (asprintf(&own, "%s/%s-%d" TOOL_STATE_SUFFIX, test->state, name, (int) getpid()) < 0)
                tool_oom();
        int r = ask_for_branch(test, state.owner, name, own, &answer);
        while ((r == -EPIPE || r == -ECONNRESET) && runs(file, NULL)) { /* too many ask at once */
                usleep(20000);
                r = ask_for_branch(test, state.owner, name, own, &answer);
        }
        const char *error = r < 0 ? strerror(-r) : control_error(answer);
        int status =
                error ? tool_fail("a container from the snapshot of \"%s\" cannot be had: %s", name, error) : TOOL_OK;
        json_decref(answer);
        return status == TOOL_OK ? tool_test_set(name, own) : status;
}

/* Adds the names of all containers of a declaration. Returns whether it could be read. */
static int add_names(const char *declaration, struct mf_strings *names)
{
        json_t *document = json_load_file(declaration, 0, NULL), *container;
        const int is_read = document != NULL;
        const char *name;

        json_object_foreach(containers_of(document), name, container)
                if (mf_strings_add(names, strdup(name)) < 0)
                        tool_oom();
        json_decref(document);
        return is_read;
}

int tool_test_check(const struct tool_test *test)
{
        const char **const lists[] = { test->containers, test->snapshots };
        mf_cleanup(mf_strings_clear) struct mf_strings names = { 0 };
        char meant[MF_MEANT_MAX];

        for (const char **declaration = test->declarations; *declaration; declaration++)
                if (!add_names(*declaration, &names))
                        return TOOL_OK; /* `mayfly up` says what is wrong with it */
        for (size_t i = 0; names.n > 0 && i < MF_ELEMENTSOF(lists); i++)
                for (const char **name = lists[i]; name && *name; name++)
                        if (!mf_strv_has((const char *const *) names.list, *name))
                                return tool_fail("there is no container \"%s\"%s", *name,
                                                 mf_meant(*name, (const char *const *) names.list, MF_MOST_EDITS,
                                                          " in the declarations of this test", meant));
        return TOOL_OK;
}

int tool_test_use(const struct tool_test *test)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        mf_cleanup(mf_closep) int directory = open_directory(test, &err);
        int status = TOOL_OK;

        if (directory < 0)
                return tool_fail("%s", err.message);
        if (prints(test, UNSUPPORTED, "", "this host cannot run the containers of this test: "))
                return TEST_SKIPPED;
        for (const char **name = test->containers; name && *name; name++) {
                int r = use(test, *name);
                status = status == TOOL_OK ? r : status;
        }
        for (const char **name = test->snapshots; name && *name && status == TOOL_OK; name++)
                status = use_snapshot(test, *name);
        if (setenv("MAYFLY_STATE_DIR", test->state, 1) < 0)
                tool_oom();
        return status;
}
