/* SPDX-License-Identifier: MIT */

/* Containers that programs share by a state file: who may do what with them, when they end, and what is no state file. The other
 * programs are this one with arguments: ACTION FILE. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/share.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"
#include "support/reach.h"

static const char *busybox, *serving;
static char work[] = "/tmp/test-share-XXXXXX", file[64], copy[64];

/* --- the other program ------------------------------------------------------------------------------------------ */

/* All that a process may do with a container of another. */
static void use_all(struct mayfly_container *c)
{
        struct mayfly_address address = MAYFLY_ADDRESS_INIT;
        struct mayfly_stats stats = MAYFLY_STATS_INIT;
        struct mayfly_file put = MAYFLY_FILE_INIT;
        char path[32], *data = NULL;
        size_t size = 0;
        int fd = -1;

        snprintf(path, sizeof(path), "/tmp/of-%d", (int) getpid());
        put.path = path;
        put.text = "put";
        CHECK(mayfly_container_put(c, &put, fresh()) == 0);
        CHECK(mayfly_container_read_file(c, path, 0, &data, &size, fresh()) == 0 && strcmp(data, "put") == 0);
        free(data);
        CHECK(run_line(c, "[ \"$OF_THE_SPEC\" = here ] && exit 7") == 7);
        CHECK(mayfly_container_connect(c, "6379/tcp", &fd, fresh()) == 0 && is_echoed(fd));
        close(fd);
        CHECK(mayfly_container_connect(c, "unix:/tmp/x.sock", &fd, fresh()) == 0 && is_echoed(fd));
        close(fd);
        CHECK(mayfly_container_address(c, "6379", &address, fresh()) == 0);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(connect(fd, address.sockaddr, address.sockaddr_size) == 0 && is_echoed(fd));
        close(fd);
        CHECK(mayfly_container_logs(c, &data, &size, fresh()) == 0 && strstr(data, "began"));
        free(data);
        CHECK(mayfly_container_wait_for(c, MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379"), MAYFLY_WAIT_LOG("began")), fresh()) ==
              0);
        CHECK(mayfly_container_stats(c, &stats, fresh()) == 0 && stats.state == MAYFLY_STATE_RUNNING);
        CHECK(mayfly_link_set(c, "6379", MAYFLY_LINK(.latency_ms = 1), fresh()) == 0);
        CHECK(mayfly_container_wait(c, 0, NULL, fresh()) == -ETIMEDOUT);
}

static void refuse_all(struct mayfly_container *c)
{
        CHECK(mayfly_container_stop(c, fresh()) == -ECHILD && strstr(last_message(), "belongs to process"));
        CHECK(mayfly_container_halt(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_pause(c, fresh()) == -ECHILD);
        CHECK(mayfly_container_share(c, "/tmp/none", -1, fresh()) == -ECHILD);
}

static void fork_and_use(struct mayfly_container *c)
{
        int status = 1;
        pid_t pid = fork();

        if (pid == 0) {
                use_all(c);
                mayfly_container_free(c);
                _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Starts a container that another process owns, and ends before it. */
static void start_for(const char *path, int owner)
{
        struct mayfly_container *c = NULL;
        int pidfd = (int) syscall(SYS_pidfd_open, owner, 0);

        CHECK(pidfd >= 0);
        CHECK(mayfly_container_start(&c, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1), fresh()) == 0);
        CHECK(mayfly_container_share(c, path, pidfd, fresh()) == 0);
        CHECK(run_line(c, "echo begun > /begun") == 0);
        CHECK(mayfly_container_pause(c, fresh()) == -ECHILD);
        mayfly_container_free(c);
}

static int other_program(char **argv)
{
        struct mayfly_container *c = NULL;

        if (strcmp(argv[1], "start") == 0) {
                start_for(argv[2], atoi(argv[3]));
                return 0;
        }
        CHECK(mayfly_container_attach(&c, argv[2], fresh()) == 0);
        if (strcmp(argv[1], "use") == 0) {
                for (unsigned i = 0; i < 3; i++)
                        use_all(c);
                refuse_all(c);
                fork_and_use(c);
                use_all(c);
        } else if (strcmp(argv[1], "outlive") == 0) {
                CHECK(run_line(c, "exec sleep 7777") == -ESRCH); /* until its owner ends */
                CHECK(strstr(last_message(), "which belongs to process"));
        }
        mayfly_container_free(c);
        return 0;
}

/* --- the tests -------------------------------------------------------------------------------------------------- */

static pid_t begin(const char *action, const char *argument)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                execl("/proc/self/exe", "test-share", action, file, argument, NULL);
                _exit(127);
        }
        return pid;
}

static char *slurp(const char *path)
{
        static char text[4096];
        FILE *f = fopen(path, "re");

        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
        fclose(f);
        return text;
}

static void write_file(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void attach_fails(const char *path, int code, const char *words)
{
        struct mayfly_container *c = NULL;

        is_error(mayfly_container_attach(&c, path, fresh()), code, words);
        assert_null(c);
}

/* The path of the socket in a state file. */
static const char *socket_in(const char *path)
{
        static char name[128];
        const char *at = strstr(slurp(path), "\"socket\": \"");

        assert_non_null(at);
        assert_int_equal(sscanf(at, "\"socket\": \"%127[^\"]\"", name), 1);
        return name;
}

static void await_absence(const char *path)
{
        while (access(path, F_OK) == 0) /* until ctest's limit */
                usleep(1000);
}

static void programs_use_it_at_once(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = serving, .env = ((const char *const[]){ "OF_THE_SPEC=here", NULL }),
                            .argv = ((const char *const[]){
                                    "/bin/sh", "-c", "echo began; exec serve tcp:127.0.0.1:6379 unix:/tmp/x.sock",
                                    NULL }),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379"), MAYFLY_WAIT_UNIX("/tmp/x.sock"),
                                                MAYFLY_WAIT_LOG("began")),
                            .publish = MAYFLY_PORTS({ .port = 6379, .name = "db" })));
        struct mayfly_address address = MAYFLY_ADDRESS_INIT;
        char socket_path[128], expected[64];
        struct stat st;
        pid_t others[3];

        (void) state;
        works(mayfly_container_share(c, file, -1, fresh()));
        is_error(mayfly_container_share(c, copy, -1, fresh()), -EALREADY, "is shared already");
        for (unsigned i = 0; i < 3; i++)
                others[i] = begin("use", NULL);
        address_of(c, "6379", &address);
        snprintf(expected, sizeof(expected), "\"address\": \"%s\"", address.text);
        assert_non_null(strstr(slurp(file), expected));
        assert_non_null(strstr(slurp(file), "\"name\": \"db\""));
        assert_non_null(strstr(slurp(file), mayfly_container_name(c)));
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        snprintf(socket_path, sizeof(socket_path), "%s", socket_in(file));
        prints_as(c, NULL, "echo mine", "mine\n");
        for (unsigned i = 0; i < 3; i++)
                ends_well(others[i]);
        prints_as(c, NULL, "ls /tmp | grep -c of-", "6\n");
        stops(c, 0);
        await_absence(socket_path);
        await_absence(file);
        attach_fails(file, -ENOENT, "there is no state file");
}

static void it_ends_with_its_owner(void **state)
{
        struct mayfly_container *c = NULL;
        char number[16];
        pid_t owner = fork();

        (void) state;
        if (owner == 0)
                for (;;)
                        pause();
        snprintf(number, sizeof(number), "%d", (int) owner);
        ends_well(begin("start", number));
        works(mayfly_container_attach(&c, file, fresh()));
        prints_as(c, NULL, "cat /begun", "begun\n");
        snprintf(number, sizeof(number), "\"pid\": %d", (int) owner);
        assert_non_null(strstr(slurp(file), number));
        write_file(copy, slurp(file));
        pid_t user = begin("outlive", NULL);
        prints_as(c, NULL, "until grep -qs 'sleep.777[7]' /proc/[0-9]*/cmdline; do sleep 0.01; done; echo runs",
                  "runs\n");
        int leader = (int) syscall(SYS_pidfd_open, mayfly_container_leader(c), 0);
        assert_true(leader >= 0);
        assert_int_equal(kill(owner, SIGKILL), 0);
        assert_int_equal(poll(&(struct pollfd){ .fd = leader, .events = POLLIN }, 1, -1), 1);
        close(leader);
        assert_int_equal(waitpid(owner, NULL, 0), owner);
        ends_well(user);
        is_error(mayfly_container_exists(c, "/bin", fresh()), -ESRCH, "which belongs to process");
        mayfly_container_free(c);
        await_absence(file);
        attach_fails(copy, -ESRCH, "has ended (it belonged to process");
}

/* An app may end at any moment, also while its container is being shared. */
static void what_ends_meanwhile_is_said_to_have_ended(void **state)
{
        (void) state;
        for (int i = 0; i < 60; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_container *c =
                        start_container(MAYFLY_SPEC(.image = busybox, .argv = MAYFLY_STRINGS("/bin/true")));
                usleep((useconds_t) i * 100);
                int r = mayfly_container_share(c, file, -1, &err);
                /* What mayfly-init has to say of it may come later than mayfly waits on a busy machine. */
                if (r != 0 && (r != -ESRCH || (!strstr(err.message, "sharing: the app of container") &&
                                               !strstr(err.message, " died"))))
                        fail_msg("%d: %s", r, err.message);
                mayfly_container_free(c);
                await_absence(file);
        }
}

static void who_attaches_may_stop_what_was_given(void **state)
{
        struct mayfly_container *c = NULL, *other = NULL;
        char number[16];

        (void) state;
        snprintf(number, sizeof(number), "%d", (int) getpid());
        ends_well(begin("start", number));
        works(mayfly_container_attach(&c, file, fresh()));
        works(mayfly_container_attach(&other, file, fresh()));
        is_error(mayfly_container_pause(c, fresh()), -ECHILD, "made by mayfly_container_attach()");
        mayfly_container_free(other); /* only the handle */
        prints_as(c, NULL, "cat /begun", "begun\n");
        works(mayfly_container_stop(c, fresh()));
        mayfly_container_free(c);
        await_absence(file);
}

static void wrong_owners_are_refused(void **state)
{
        pid_t other = fork();

        (void) state;
        if (other == 0)
                for (;;)
                        pause();
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        is_error(mayfly_container_share(c, file, 1, fresh()), -ESRCH, "is no pidfd");
        is_error(mayfly_container_share(c, file, 9999, fresh()), -ESRCH, "is no pidfd");
        int pidfd = (int) syscall(SYS_pidfd_open, other, 0);
        assert_int_equal(kill(other, SIGKILL), 0);
        assert_int_equal(waitpid(other, NULL, 0), other);
        is_error(mayfly_container_share(c, file, pidfd, fresh()), -ESRCH, "is no pidfd");
        close(pidfd);
        is_error(mayfly_container_share(c, "/nonexistent/db.json", -1, fresh()), -ENOENT, "/nonexistent/db.json");
        is_error(mayfly_container_share(c, work, -1, fresh()), -EISDIR, work);
        assert_int_equal(access(file, F_OK), -1);
        works(mayfly_container_share(c, file, -1, fresh()));
        works(mayfly_container_pause(c, fresh()));
        attach_fails(file, -EBUSY, "is paused");
        works(mayfly_container_resume(c, fresh()));
        works(mayfly_container_restart(c, fresh())); /* another life */
        attach_fails(file, -ENOENT, "");
        works(mayfly_container_share(c, file, -1, fresh()));
        assert_int_equal(mayfly_container_attach(&(struct mayfly_container *){ NULL }, "", NULL), -EINVAL);
        mayfly_container_free(c);
        await_absence(file);
}

/* A program of this user that is no mayfly-launch. */
static void a_false_listener_is_found_out(const char *text)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        char forged[512];

        snprintf(address.sun_path, sizeof(address.sun_path), "%s/false.socket", work);
        assert_int_equal(bind(listener, (const struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
        snprintf(forged, sizeof(forged), text, address.sun_path);
        write_file(copy, forged);
        pid_t server = fork();
        if (server == 0) {
                int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                char request[1024];
                (void) !read(client, request, sizeof(request));
                _exit(0);
        }
        attach_fails(copy, -ESRCH, "has ended");
        ends_well(server);
        close(listener);
        attach_fails(copy, -ESRCH, "has ended"); /* nobody listens */
        unlink(address.sun_path);
        attach_fails(copy, -ESRCH, "has ended");
}

static void what_is_no_state_file_is_refused(void **state)
{
#define STATE "{ \"mayfly\": 1, \"machine\": \"x\", \"owner\": { \"pid\": 1 }, \"socket\": \"%s\" }"
        char whole[4096];

        (void) state;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        works(mayfly_container_share(c, file, -1, fresh()));
        snprintf(whole, sizeof(whole), "%s", slurp(file));
        for (size_t n = 0; n < strlen(whole) - 2; n += 17) {
                char part[4096];
                snprintf(part, sizeof(part), "%.*s", (int) n, whole);
                write_file(copy, part);
                attach_fails(copy, -EBADMSG, "is no state file of a container, or is not whole");
        }
        write_file(copy, whole);
        assert_int_equal(chmod(copy, 0620), 0);
        attach_fails(copy, -EPERM, "others can write");
        assert_int_equal(chmod(copy, 0600), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(copy, 65534, 65534), 0);
                attach_fails(copy, -EPERM, "belongs to user 65534");
        }
        unlink(copy);
        assert_int_equal(symlink(file, copy), 0);
        attach_fails(copy, -ELOOP, copy);
        unlink(copy);
        attach_fails(work, -EINVAL, "no regular file");
        write_file(copy, "{ \"mayfly\": 2, \"machine\": \"x\", \"owner\": { \"pid\": 1 }, \"socket\": \"/x\" }");
        attach_fails(copy, -EBADMSG, "its format is 2");
        write_file(copy, "{ \"mayfly\": 1, \"machine\": \"x\", \"owner\": { \"pid\": 1 }, \"socket\": \"x\" }");
        attach_fails(copy, -EBADMSG, "which is no path that mayfly makes");
        a_false_listener_is_found_out(STATE);
        unlink(copy);
        mayfly_container_free(c);
}

/* Even as the same user, and with the state file and the socket in sight. */
static void a_process_in_a_container_is_kept_out(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));

        (void) state;
        works(mayfly_container_share(c, file, -1, fresh()));
        pid_t pid = fork();
        if (pid == 0) {
                int leader = (int) syscall(SYS_pidfd_open, mayfly_container_leader(c), 0), status = 1;
                struct mayfly_container *own = NULL;
                if (geteuid() != 0) /* who may not enter a namespace just so */
                        _exit(0);
                CHECK(setns(leader, CLONE_NEWPID) == 0);
                pid_t inside = fork();
                if (inside == 0)
                        _exit(mayfly_container_attach(&own, file, fresh()) == -ESRCH && !own ? 0 : 1);
                CHECK(waitpid(inside, &status, 0) == inside && status == 0);
                _exit(0);
        }
        ends_well(pid);
        ends_well(begin("attach", NULL));
        mayfly_container_free(c);
}

/* Another user does not even get to the socket. */
static void other_users_are_kept_out(void **state)
{
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = busybox, .idle = 1));
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void) state;
        works(mayfly_container_share(c, file, -1, fresh()));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_in(file));
        pid_t pid = geteuid() == 0 ? fork() : 0;
        if (geteuid() == 0 && pid == 0) {
                int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
                CHECK(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
                CHECK(connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 && errno == EACCES);
                CHECK(mayfly_container_attach(&(struct mayfly_container *){ NULL }, file, fresh()) == -EACCES);
                _exit(0);
        }
        if (pid > 0)
                ends_well(pid);
        struct stat st;
        *strrchr(address.sun_path, '/') = '\0';
        assert_int_equal(stat(address.sun_path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        mayfly_container_free(c);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(programs_use_it_at_once),
                cmocka_unit_test(it_ends_with_its_owner),
                cmocka_unit_test(what_ends_meanwhile_is_said_to_have_ended),
                cmocka_unit_test(who_attaches_may_stop_what_was_given),
                cmocka_unit_test(wrong_owners_are_refused),
                cmocka_unit_test(a_process_in_a_container_is_kept_out),
                cmocka_unit_test(what_is_no_state_file_is_refused),
                cmocka_unit_test(other_users_are_kept_out),
        };

        if (argc > 2)
                return other_program(argv);
        busybox = test_image("busybox");
        serving = serving_image("shared");
        assert_non_null(mkdtemp(work));
        snprintf(file, sizeof(file), "%s/db.json", work);
        snprintf(copy, sizeof(copy), "%s/copy.json", work);
        int r = cmocka_run_group_tests_name("share", tests, NULL, NULL);
        unlink(file);
        unlink(copy);
        return rmdir(work) < 0 ? 1 : r;
}
