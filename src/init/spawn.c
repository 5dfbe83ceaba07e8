/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/init.h"

/* What the child tells its parent through a close-on-exec pipe when it could not be executed. */
struct failure {
        int error;
        char text[232];
};

static const char *env_value(char *const *env, const char *name)
{
        size_t length = strlen(name);

        for (; *env; env++)
                if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
                        return *env + length + 1;
        return NULL;
}

/* What execvp(3) would find, with the environment's own PATH: found first, since a filter may leave no way to look, or
 * to tell. */
static int find_program(const char *name, char *const *env, char *ret, size_t size)
{
        const char *path = env_value(env, "PATH");
        int result = -ENOENT;

        if (strchr(name, '/')) {
                if (snprintf(ret, size, "%s", name) >= (int) size)
                        return -ENAMETOOLONG;
                return faccessat(AT_FDCWD, ret, X_OK, AT_EACCESS) < 0 ? -errno : 0;
        }
        for (const char *p = path ? path : ""; *p;) {
                size_t length = strcspn(p, ":");
                struct stat st;
                int n = snprintf(ret, size, "%.*s%s%s", (int) length, p, length ? "/" : "./", name);
                if (n > 0 && (size_t) n < size && stat(ret, &st) == 0 && S_ISREG(st.st_mode)) {
                        if (faccessat(AT_FDCWD, ret, X_OK, AT_EACCESS) == 0)
                                return 0;
                        result = -EACCES; /* as execvp(3): go on, but remember */
                }
                p += length;
                if (*p)
                        p++;
        }
        return result;
}

/* Says which ID the container would need, if that is why the kernel refuses the identity. */
static void explain_ids(const struct mf_identity *identity, int r, char *ret, size_t size)
{
        gid_t largest = identity->uid > identity->gid ? identity->uid : identity->gid;

        *ret = '\0';
        for (size_t i = 0; i < (size_t) identity->n_groups; i++)
                if (identity->groups[i] > largest)
                        largest = identity->groups[i];
        if (r == -EINVAL)
                snprintf(ret, size, "; the container has no ID %u: set userns_ids, or enlarge your ranges of subuid(5)",
                         (unsigned) largest);
}

static int become(const struct mf_identity *identity, const char *cwd, struct failure *failure)
{
        if (chdir(cwd) < 0) {
                int r = -errno;
                snprintf(failure->text, sizeof(failure->text),
                         "working directory \"%.100s\": %s; name one that the container has", cwd, strerrordesc_np(-r));
                return r;
        }
        if (setgroups(identity->n_groups, identity->groups) < 0 ||
            setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
            setresuid(identity->uid, identity->uid, identity->uid) < 0) {
                int r = -errno;
                char why[128];
                explain_ids(identity, r, why, sizeof(why));
                snprintf(failure->text, sizeof(failure->text), "becoming user %u, group %u: %s%s",
                         (unsigned) identity->uid, (unsigned) identity->gid, strerrordesc_np(-r), why);
                return r;
        }
        return 0;
}

static int set_stdio(const int stdio[3])
{
        int safe[3];

        /* First out of the way, so that no dup2() overwrites one still needed. */
        for (int i = 0; i < 3; i++) {
                safe[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
                if (safe[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < 3; i++)
                if (dup2(safe[i], i) < 0)
                        return -errno;
        return 0;
}

/* What a child is made from. */
struct plan {
        char *const *argv;
        const struct mf_exec *exec;
        const struct mf_identity *identity;
        const int *stdio;
        const struct mf_sockets *sockets; /* or NULL */
};

/* To 3 and up, as sd_listen_fds(3) wants them, with everything else out of the way. */
static int set_sockets(const struct mf_sockets *sockets, char **env, int *failure_fd)
{
        static char pid[32], count[32];
        int first_free = 3 + (int) sockets->n;
        size_t n = 0;

        *failure_fd = fcntl(*failure_fd, F_DUPFD_CLOEXEC, first_free);
        if (*failure_fd < 0)
                return -errno;
        for (size_t i = 0; i < sockets->n; i++) {
                sockets->fds[i] = fcntl(sockets->fds[i], F_DUPFD_CLOEXEC, first_free);
                if (sockets->fds[i] < 0)
                        return -errno;
        }
        for (size_t i = 0; i < sockets->n; i++)
                if (dup2(sockets->fds[i], 3 + (int) i) < 0)
                        return -errno;
        while (env[n])
                n++;
        snprintf(pid, sizeof(pid), "LISTEN_PID=%d", (int) getpid());
        snprintf(count, sizeof(count), "LISTEN_FDS=%zu", sockets->n);
        env[n++] = pid; /* mf_exec_block_read() left room */
        env[n++] = count;
        env[n] = sockets->names;
        return 0;
}

/* Lets a program that is not root open /dev/stdin, /dev/stdout and /dev/stderr. A terminal controls its session. */
static int own_stdio(const struct mf_identity *identity)
{
        int is_terminal = isatty(0);

        if (is_terminal && ioctl(0, TIOCSCTTY, 0) < 0)
                return -errno;
        for (int i = 0; i < 3; i++) {
                struct stat st;
                /* What is no pipe may be the host's, and a terminal keeps its group, tty. */
                if (fstat(i, &st) == 0 && (is_terminal || !S_ISCHR(st.st_mode)))
                        (void) fchown(i, identity->uid, is_terminal ? (gid_t) -1 : identity->gid);
        }
        return 0;
}

/* All but the execution. The order is that of what each step still needs to be allowed. */
static int prepare(const struct plan *plan, int *failure_fd, struct failure *failure)
{
        const struct mf_confinement *confinement = &plan->exec->confinement;
        int r = set_stdio(plan->stdio);

        if (r < 0)
                return r;
        r = own_stdio(plan->identity);
        if (r < 0)
                return r;
        if (plan->exec->boot)
                r = mf_boot_enter(failure->text, sizeof(failure->text));
        if (r == 0 && plan->sockets && plan->sockets->n > 0)
                r = set_sockets(plan->sockets, plan->exec->env, failure_fd);
        if (r == 0)
                r = mf_confine_pre_setuid(confinement, failure->text, sizeof(failure->text));
        if (r == 0)
                r = become(plan->identity, plan->exec->cwd, failure);
        if (r == 0)
                r = mf_confine_post_setuid(confinement, failure->text, sizeof(failure->text));
        if (r == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* for a supervisor that is killed; becoming another clears it */
        return r == 0 ? mf_limits_set(plan->exec->ulimits, failure->text, sizeof(failure->text)) : r;
}

static int is_directory(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Why a program could not be executed, for the error `r`, and what to do. `program` is its file, or NULL where there is none. */
static const char *execution_problem(const char *name, int r, const char *program)
{
        if (r == -ENOEXEC)
                return "it is made for another architecture, or is a script without \"#!\"";
        if (r == -EACCES && program && is_directory(program))
                return "it is a directory; name a program";
        if (r == -EACCES)
                return "Permission denied; let its user execute it (chmod +x in the image)";
        if (r != -ENOENT)
                return strerrordesc_np(-r);
        if (program)
                return "its interpreter, or the library that loads it, is not there";
        return strchr(name, '/') ? "No such file or directory; check the path"
                                 : "not found in the container's PATH; check its name, or give its path";
}

/* Returns only on failure: negative errno, with text. */
static int execute(const struct plan *plan, struct failure *failure)
{
        char program[4096];
        int found = find_program(plan->argv[0], plan->exec->env, program, sizeof(program)), r = found;
        struct mf_interpreter needs;

        if (found == 0 && mf_interpreter_missing(program, &needs)) { /* looked for now: see find_program() */
                snprintf(failure->text, sizeof(failure->text),
                         "\"%.50s\": its %s %s is not in the container; add it, or %s", plan->argv[0],
                         needs.is_script ? "interpreter" : "dynamic loader", needs.name,
                         needs.is_script ? "change the script's first line"
                                         : "build the program for the image's C library, or statically");
                return -ENOENT;
        }
        if (found == 0) {
                r = mf_confine_pre_exec(&plan->exec->confinement);
                if (r < 0) {
                        snprintf(failure->text, sizeof(failure->text), "loading the app's system call filter: %s",
                                 strerrordesc_np(-r));
                        return r;
                }
                execve(program, plan->argv, plan->exec->env);
                r = -errno;
        }
        snprintf(failure->text, sizeof(failure->text), "\"%.120s\": %s", plan->argv[0],
                 execution_problem(plan->argv[0], r, found == 0 ? program : NULL));
        return r;
}

static _Noreturn void child(const struct plan *plan, int failure_fd)
{
        struct failure failure = { 0 };
        sigset_t none;

        setsid();
        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        umask(022);

        failure.error = prepare(plan, &failure_fd, &failure);
        if (failure.error == 0)
                failure.error = execute(plan, &failure);
        if (!failure.text[0])
                snprintf(failure.text, sizeof(failure.text), "%s", strerrordesc_np(-failure.error));
        (void) !write(failure_fd, &failure, sizeof(failure));
        _exit(127);
}

static void add_home(const struct mf_exec *exec, const struct mf_identity *identity)
{
        static char home[4096];
        size_t n = 0;

        if (env_value(exec->env, "HOME"))
                return;
        while (exec->env[n])
                n++;
        snprintf(home, sizeof(home), "HOME=%s", identity->home ? identity->home : "/");
        exec->env[n] = home; /* mf_exec_block_read() left room */
}

pid_t mf_spawn(char *const *argv, const struct mf_exec *exec, const int stdio[3], const struct mf_sockets *sockets,
               int with_home, char *text, size_t text_size)
{
        struct mf_identity identity;
        struct failure failure;
        int pipe_fds[2];

        int r = mf_identity_find(exec, &identity, text, text_size);
        if (r < 0)
                return r;
        if (with_home)
                add_home(exec, &identity);
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;

        pid_t pid = fork();
        if (pid == 0)
                child(&(const struct plan){ argv, exec, &identity, stdio, sockets }, pipe_fds[1]);
        r = -errno;
        close(pipe_fds[1]);
        if (pid < 0) {
                close(pipe_fds[0]);
                snprintf(text, text_size, "fork: %s", strerrordesc_np(-r));
                return r;
        }

        ssize_t n;
        do
                n = read(pipe_fds[0], &failure, sizeof(failure));
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                failure.error = -errno;
                snprintf(failure.text, sizeof(failure.text), "hearing of it: %s", strerrordesc_np(errno));
                kill(pid, SIGKILL);
        }
        close(pipe_fds[0]);
        if (n != 0) {
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                failure.text[sizeof(failure.text) - 1] = '\0';
                snprintf(text, text_size, "%s", failure.text);
                return failure.error;
        }
        return pid;
}
