/* SPDX-License-Identifier: MIT */

/* What another user of the same host, without privileges, gets of a container that root runs: nothing but what `ps` shows, and no
 * secret stands there. One attacker's user ID is that of a process in the container, too. The issue was reported as: without user
 * namespaces, that user reads the process's environment, traces it and kills it. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/small-image.h"

#define SECRET "quite-a-secret"
#define PROCESSES_MAX 64

static struct mayfly_container *container;
static const char *image;
static pid_t processes[PROCESSES_MAX];
static size_t n_processes;

static ssize_t read_proc(pid_t pid, const char *name, char *text, size_t size)
{
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
        if (fd >= 0)
                close(fd);
        text[n < 0 ? 0 : n] = '\0';
        for (ssize_t i = 0; i + 1 < n; i++)
                if (!text[i])
                        text[i] = ' ';
        return n;
}

/* Whether the process is in the container, or one that runs it. */
static int is_of_run(pid_t pid)
{
        char path[64], text[8192], ours[64] = "", its[64] = "";

        snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int) mayfly_container_leader(container));
        (void) !readlink(path, ours, sizeof(ours) - 1);
        snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int) pid);
        (void) !readlink(path, its, sizeof(its) - 1);
        if (*ours && strcmp(ours, its) == 0)
                return 1;
        return read_proc(pid, "cmdline", text, sizeof(text)) > 0 && strstr(text, mayfly_container_name(container));
}

static void find_processes(void)
{
        DIR *dir = opendir("/proc");

        n_processes = 0;
        for (const struct dirent *entry; (entry = readdir(dir));)
                if (atoi(entry->d_name) > 0 && n_processes < PROCESSES_MAX && is_of_run(atoi(entry->d_name)))
                        processes[n_processes++] = atoi(entry->d_name);
        closedir(dir);
        processes[n_processes++] = getpid();
}

static int set_up(void **state)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *r = NULL;

        (void) state;
        if (mayfly_container_start(&container,
                                   MAYFLY_SPEC(.image = image, .user = "1777",
                                               .env = (const char *const[]){ "PASSWORD=" SECRET, NULL },
                                               .metadata_url = "http://127.0.0.1/" SECRET),
                                   &err) < 0)
                fail_msg("%s", err.message);
        /* A process that lives on after its command. */
        command.argv = (const char *const[]){ "sh", "-c", "cat >/file; setsid sleep 1000 <&- >&- 2>&- &", NULL };
        command.env = (const char *const[]){ "MORE=" SECRET, NULL };
        command.input = SECRET;
        command.input_size = strlen(SECRET);
        command.user = "0";
        if (mayfly_container_run(container, &command, &r, &err) < 0)
                fail_msg("%s", err.message);
        mayfly_result_free(r);
        find_processes();
        return 0;
}

static int tear_down(void **state)
{
        (void) state;
        container = mayfly_container_free(container);
        return 0;
}

static unsigned successes;

static void note(long r, pid_t pid, const char *what)
{
        char name[64];

        if (r < 0)
                return;
        (void) read_proc(pid, "comm", name, sizeof(name));
        fprintf(stderr, "user %u: %s of process %d, %s", (unsigned) getuid(), what, (int) pid, name);
        successes++;
}

static void try_files(pid_t pid)
{
        static const char *const files[] = { "environ", "mem",     "maps",    "auxv",         "io",
                                             "stack",   "syscall", "fd",      "fd/0",         "fd/1",
                                             "fd/3",    "root/.",  "cwd/.",   "ns/user",      "ns/mnt",
                                             "ns/net",  "ns/pid",  "pagemap", "map_files/..", "exe" };
        char path[64], text[64];

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, files[i]);
                int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                /* Anybody can open some, and read nothing. */
                int is_text = !strchr(files[i], '/') && strcmp(files[i], "fd") != 0 && strcmp(files[i], "exe") != 0;
                ssize_t n = fd < 0 ? -1 : is_text ? read(fd, text, sizeof(text)) - 1 : 0;
                if (strcmp(files[i], "map_files/..") != 0)
                        note(n, pid, files[i]);
                if (fd >= 0)
                        close(fd);
        }
}

static void try_calls(pid_t pid)
{
        char text[64];
        struct iovec here = { text, sizeof(text) }, there = { text, sizeof(text) };
        struct rlimit limit;
        cpu_set_t set;
        int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

        note(kill(pid, 0), pid, "a signal");
        note(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0), pid, "a signal by pidfd");
        for (int fd = 0; fd < 16; fd++)
                note(syscall(SYS_pidfd_getfd, pidfd, fd, 0), pid, "a descriptor");
        note(process_vm_readv(pid, &here, 1, &there, 1, 0), pid, "memory");
        note(process_vm_writev(pid, &here, 1, &there, 1, 0), pid, "writable memory");
        note(ptrace(PTRACE_SEIZE, pid, NULL, NULL), pid, "a trace");
        note(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), pid, "limits");
        CPU_ZERO(&set);
        CPU_SET(0, &set);
        note(sched_setaffinity(pid, sizeof(set), &set), pid, "its processors");
        static const int namespaces[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,
                                          CLONE_NEWNET,  CLONE_NEWIPC, CLONE_NEWUTS };
        for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
                note(setns(pidfd, namespaces[i]), pid, "a namespace");
        close(pidfd);
}

/* Runs `attack` as the user, and returns whether it succeeded with anything. */
static int as_user(uid_t uid, void (*attack)(void))
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                        _exit(9);
                attack();
                _exit(successes ? 8 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void try_each_process(void)
{
        for (size_t i = 0; i < n_processes; i++) {
                try_files(processes[i]);
                try_calls(processes[i]);
        }
}

static void try_files_of_each(void)
{
        for (size_t i = 0; i < n_processes; i++)
                try_files(processes[i]);
}

static void no_process_is_open_to_other_users(void **state)
{
        (void) state;
        assert_true(n_processes >= 6); /* ours, mayfly-launch, systemd-nspawn, and three inside */
        assert_int_equal(as_user(65533, try_each_process), 0);
        assert_int_equal(as_user(1777, try_each_process), 0);
        assert_int_equal(as_user(0, try_files_of_each), 8); /* the attack as such works */
}

static void no_secret_is_in_a_command_line(void **state)
{
        static char text[1 << 16];

        (void) state;
        for (size_t i = 0; i < n_processes; i++) {
                (void) read_proc(processes[i], "cmdline", text, sizeof(text));
                if (strstr(text, SECRET))
                        fail_msg("process %d: %s", (int) processes[i], text);
        }
}

static int look(const char *path, const struct stat *st, int type, struct FTW *where)
{
        static char text[1 << 16];

        (void) where;
        if (type == FTW_F && S_ISREG(st->st_mode)) {
                int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
                if (fd >= 0)
                        close(fd);
                if (n > 0 && memmem(text, (size_t) n, SECRET, strlen(SECRET)) && !strstr(path, "test-local-user")) {
                        fprintf(stderr, "user %u: the secret in %s\n", (unsigned) getuid(), path);
                        successes++;
                }
        }
        return 0;
}

static void search_files(void)
{
        static const char *const places[] = { "/run", "/tmp", "/var/tmp", "/dev/shm", "/var/log" };

        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
                (void) nftw(places[i], look, 32, FTW_PHYS | FTW_MOUNT);
}

static void no_file_of_the_run_is_to_be_found(void **state)
{
        (void) state;
        assert_int_equal(as_user(65533, search_files), 0);
        assert_int_equal(as_user(1777, search_files), 0);
}

static int look_for_set_user_id(const char *path, const struct stat *st, int type, struct FTW *where)
{
        (void) where;
        if (type == FTW_F && S_ISREG(st->st_mode) && (st->st_mode & S_ISUID) && access(path, X_OK) == 0) {
                fprintf(stderr, "user %u: %s can be executed\n", (unsigned) getuid(), path);
                successes++;
        }
        return 0;
}

static void search_store(void)
{
        (void) nftw(getenv("MAYFLY_STORE"), look_for_set_user_id, 32, FTW_PHYS);
}

/* An image is a stranger's: its set-user-ID programs of root must not be the host's. */
static void no_program_of_an_image_is_within_reach(void **state)
{
        (void) state;
        assert_int_equal(as_user(65533, search_store), 0);
        /* The search finds what is there. */
        assert_int_equal(as_user(0, search_store), 8);
}

static void search_sockets(void)
{
        char line[512];
        FILE *f = fopen("/proc/net/unix", "re");

        while (f && fgets(line, sizeof(line), f)) {
                const char *name = strstr(line, "@mayfly");
                /* mayfly-ids-N is a name only, which says that a range of IDs is taken; nobody reads from it. */
                if (name && strncmp(name, "@mayfly-ids-", 12) != 0) {
                        fprintf(stderr, "a socket of mayfly: %s", name);
                        successes++;
                }
        }
        if (f)
                fclose(f);
}

static void no_socket_has_a_name(void **state)
{
        (void) state;
        assert_int_equal(as_user(65533, search_sockets), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_process_is_open_to_other_users),
                cmocka_unit_test(no_secret_is_in_a_command_line),
                cmocka_unit_test(no_file_of_the_run_is_to_be_found),
                cmocka_unit_test(no_program_of_an_image_is_within_reach),
                cmocka_unit_test(no_socket_has_a_name),
        };

        image = small_image(
                "visited",
                "{\"exec\":[\"sh\",\"-c\",\"echo $PASSWORD; echo $PASSWORD >/tmp/file; while :; do sleep 1000; "
                "done\"],\"user\":\"0\",\"group\":\"0\"}",
                "mkdir -m 1777 tmp; cp bin/busybox bin/set-user-id; chmod 4755 bin/set-user-id");
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
