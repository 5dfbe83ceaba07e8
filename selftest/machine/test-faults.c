/* SPDX-License-Identifier: MIT */

/* Every call of the C library that mayfly makes, from the start of a container to its end, fails in turn: in the library, and in
 * each program of mayfly. In mayfly-helper they fail while it fetches. Each time what was asked for succeeds all the same, or there
 * is one clear error; and nothing is left. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/mayfly.h>

#include "container/container.h"
#include "container/logs.h"
#include "support/arm.h"
#include "support/faults.h"
#include "support/host.h"
#include "util/error.h"
#include "util/fd.h"

#define SLOW_MS 8000 /* stop_timeout_ms and all the harder ways */
#define SILENT 8     /* so many rounds in which nothing failed: that was the last call, and not one of a child's */

static const char *reference;
static char directory[] = "/tmp/mayfly-faults-XXXXXX"; /* programs to be executed instead of the real ones */
static const char *armed;                              /* the one in which a call fails; NULL: none */

struct round;

/* Where calls fail. */
struct place {
        const char *name;
        int in_library;
        void (*round)(unsigned number, struct round *ret);
};

/* What one round came to. */
struct round {
        int result;
        struct mayfly_error err;
        char fault[64]; /* what failed in a program of ours, empty for nothing */
        unsigned ms;
};

static unsigned now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (unsigned) (now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void find_fault(const char *text, struct round *round)
{
        const char *line = text ? strstr(text, "fault: ") : NULL;

        if (line)
                snprintf(round->fault, sizeof(round->fault), "%.*s", (int) strcspn(line + 7, "\n"), line + 7);
}

/* Finds the fault that a program wrote into the file, which is empty afterwards. */
static void find_fault_in_file(struct round *round)
{
        char text[64] = "";
        char path[64];

        snprintf(path, sizeof(path), "%s/faults", directory);
        FILE *f = fopen(path, "r+e");

        if (!f || (fread(text, 1, sizeof(text) - 1, f) == 0 && ferror(f)) || ftruncate(fileno(f), 0) < 0)
                exit(1);
        fclose(f);
        find_fault(text, round);
}

/* Finds the fault that a container's own process wrote. Stops the container, which may be NULL. */
static void find_fault_of(struct mayfly_container *c, struct round *round)
{
        char *boot_log = NULL;

        if (c && mayfly_container_stop(c, NULL) == 0 && mf_boot_log_read(c->boot_log, 4096, &boot_log) == 0)
                find_fault(boot_log, round);
        find_fault(round->err.message, round);
        free(boot_log);
}

static void up_and_down(unsigned number, struct round *ret)
{
        const char *const argv[] = { "sh", "-c", "cat; echo done", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_network *networks[] = { NULL, NULL };
        struct mayfly_container *c = NULL;
        struct mayfly_result *result = NULL;
        char *log = NULL;
        size_t size;

        *ret = (struct round){ .err = MAYFLY_ERROR_INIT };
        command.argv = argv;
        command.user = "www";
        command.input = "hello ";
        command.input_size = 6;
        command.timeout_ms = 3000;
        unsigned begin = now_ms();
        faults_arm(number);
        int r = mayfly_network_create(&networks[0], &ret->err);
        if (r == 0)
                r = mayfly_container_start(&c,
                                           MAYFLY_SPEC(.image = reference, .name = "faults", .stop_timeout_ms = 2000,
                                                       .start_timeout_ms = 3000, .networks = networks),
                                           &ret->err);
        if (r == 0)
                r = mayfly_network_cut(networks[0], c, NULL, &ret->err);
        if (r == 0)
                r = mayfly_container_run(c, &command, &result, &ret->err);
        if (r == 0 && (result->out_size != 11 || memcmp(result->out, "hello done\n", 11) != 0)) {
                fprintf(stderr, "the command wrote \"%s\" and \"%s\"\n", result->out, result->err);
                r = -1;
        }
        if (r == 0)
                r = mayfly_container_logs(c, &log, &size, &ret->err);
        if (r == 0)
                r = mayfly_container_stop(c, &ret->err);
        const char *failed = faults_disarm();
        if (failed)
                snprintf(ret->fault, sizeof(ret->fault), "%s", failed);
        find_fault_of(c, ret);
        mayfly_container_free(c);
        mayfly_network_free(networks[0]);
        mayfly_result_free(result);
        free(log);
        ret->result = r;
        ret->ms = now_ms() - begin;
}

/* What is sent must come back, or the connection be reset or closed. Closes it. */
static int echo(int fd, struct mayfly_error *err)
{
        const struct timeval limit = { .tv_sec = 4 };
        char text[6] = "";

        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        ssize_t n = send(fd, "hello", 5, MSG_NOSIGNAL) == 5 ? recv(fd, text, 5, MSG_WAITALL) : -1;
        int r = n == 5 ? 0 : n < 0 && errno == EAGAIN ? -ETIMEDOUT : -ECONNRESET;

        close(fd);
        if (r == -ETIMEDOUT)
                return r; /* without an error, which judge() does not like */
        return r == 0 ? 0 : mf_error(err, r, MAYFLY_STAGE_NETWORK, "the connection was reset or closed");
}

/* By a published port, twice, the second time with a link that is slow. */
static int use_port(struct mayfly_container *c, struct mayfly_error *err)
{
        struct mayfly_address address = MAYFLY_ADDRESS_INIT;
        int r = mayfly_container_address(c, "7", &address, err);

        for (int i = 0; r == 0 && i < 2; i++) {
                int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (connect(fd, address.sockaddr, address.sockaddr_size) == 0) {
                        r = echo(fd, err);
                } else {
                        r = mf_error_errno(err, -errno, MAYFLY_STAGE_NETWORK, "connecting to %s", address.text);
                        close(fd);
                }
                if (r == 0 && i == 0)
                        r = mayfly_link_set(c, "7", MAYFLY_LINK(.latency_ms = 5), err);
        }
        return r;
}

/* A container with ports of all kinds. */
static void reach(unsigned number, struct round *ret)
{
        struct mayfly_container *c = NULL;
        int fd = -1;

        (void) number;
        *ret = (struct round){ .err = MAYFLY_ERROR_INIT };
        unsigned begin = now_ms();
        int r = mayfly_container_start(
                &c,
                MAYFLY_SPEC(.image = reference, .name = "faults", .stop_timeout_ms = 2000, .start_timeout_ms = 3000,
                            .entrypoint = MAYFLY_STRINGS("nc", "-ll", "-p", "7", "-e", "cat"),
                            .publish = MAYFLY_PORTS({ .port = 7 }, { .port = 7, .protocol = "udp" }),
                            .host_ports = MAYFLY_HOST_PORTS({ .port = 9 }), .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("7"))),
                &ret->err);
        if (r == 0)
                r = use_port(c, &ret->err);
        if (r == 0)
                r = mayfly_container_connect(c, "7", &fd, &ret->err);
        if (r == 0)
                r = echo(fd, &ret->err);
        if (r == 0)
                r = mayfly_container_stop(c, &ret->err);
        find_fault_of(c, ret);
        mayfly_container_free(c);
        ret->result = r;
        ret->ms = now_ms() - begin;
}

/* Fetches an image to a store that has none. Whatever failed, the next one can have it. */
static void fetch(unsigned number, struct round *ret)
{
        struct mayfly_image_options options = MAYFLY_IMAGE_OPTIONS_INIT;
        struct mayfly_gc_options all = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result collected = MAYFLY_GC_RESULT_INIT;
        struct mayfly_error again = MAYFLY_ERROR_INIT;
        struct mayfly_image *image = NULL;
        char store[64];

        *ret = (struct round){ .err = MAYFLY_ERROR_INIT };
        snprintf(store, sizeof(store), "%s/store", directory);
        options.store = all.store = store;
        options.retries = UINT32_MAX;
        unsigned begin = now_ms();
        faults_arm(number);
        ret->result = mayfly_image_open(&image, reference, &options, &ret->err);
        const char *failed = faults_disarm();
        ret->ms = now_ms() - begin;
        if (failed)
                snprintf(ret->fault, sizeof(ret->fault), "%s", failed);
        mayfly_image_close(image);
        if (armed)
                arm_program(directory, armed, FAULTS_MARK, "00000000");
        int r = mayfly_image_open(&image, reference, &options, &again);
        mayfly_image_close(image);
        all.all = 1;
        if (r == 0)
                r = mayfly_store_gc(&collected, &all, &again);
        if (r == 0 && collected.removed == 1 && collected.kept == 0)
                return;
        fprintf(stderr, "the next to open it: %s (%d), %d images removed\n", again.message, r, (int) collected.removed);
        ret->result = -1;
        ret->err = (struct mayfly_error) MAYFLY_ERROR_INIT;
}

/* A program makes its namespace once, so each round is another program. */
static void fetch_in_child(unsigned number, struct round *ret)
{
        int pair[2];

        if (pipe(pair) < 0)
                exit(1);
        pid_t pid = fork();
        if (pid == 0) {
                fetch(number, ret);
                _exit(write(pair[1], ret, sizeof(*ret)) != (ssize_t) sizeof(*ret));
        }
        close(pair[1]);
        if (read(pair[0], ret, sizeof(*ret)) != (ssize_t) sizeof(*ret) || waitpid(pid, NULL, 0) < 0)
                exit(1);
        close(pair[0]);
}

/* The container of rounds that need not end it. */
static struct mayfly_container *lasting(struct mayfly_error *err)
{
        static struct mayfly_container *c;

        if (c && mayfly_container_exists(c, "/bin", NULL) < 0)
                c = mayfly_container_free(c);
        if (!c)
                (void) mayfly_container_start(&c, MAYFLY_SPEC(.image = reference, .name = "lasting", .idle = 1), err);
        return c;
}

static int is_attached(struct mayfly_container *c)
{
        return mayfly_container_exists(c, "/mnt/faults", NULL) > 0;
}

/* Mounts a volume and takes it off, in a container that is as it was. Returns whether both is done. */
static int attach_again(struct mayfly_container *c, const struct mayfly_volume *volume)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int r = is_attached(c) ? mayfly_container_detach_volume(c, "/mnt", &err) : 0;

        if (r == 0)
                r = mayfly_container_attach_volume(c, volume, &err);
        if (r == 0)
                r = mayfly_container_detach_volume(c, "/mnt", &err);
        if (r == 0 && !is_attached(c))
                return 1;
        fprintf(stderr, "afterwards: %s\n", err.message);
        return 0;
}

/* The same, with calls that fail. What failed can be done again. */
static void attach(unsigned number, struct round *ret)
{
        struct mayfly_volume volume = MAYFLY_VOLUME_INIT;

        (void) number;
        *ret = (struct round){ .err = MAYFLY_ERROR_INIT };
        struct mayfly_container *c = lasting(&ret->err);
        unsigned begin = now_ms();
        volume.path = "/mnt";
        volume.source = directory; /* which has the file "faults" */
        int r = mayfly_container_attach_volume(c, &volume, &ret->err);
        int is_wrong = is_attached(c) != (r == 0);
        if (r == 0) {
                r = mayfly_container_detach_volume(c, "/mnt", &ret->err);
                is_wrong = is_wrong || (r == 0 && is_attached(c)); /* if it fails the answer may be what was lost */
        }
        ret->ms = now_ms() - begin;
        ret->result = r;
        if (armed)
                arm_program(directory, armed, FAULTS_MARK, "00000000");
        if (!is_wrong && (r == 0 || attach_again(c, &volume)))
                return;
        ret->result = -1;
        ret->err = (struct mayfly_error) MAYFLY_ERROR_INIT;
}

/* Gives a container to mayfly-keep. If that fails the container is this program's as before. */
static void keep(unsigned number, struct round *ret)
{
        struct mayfly_error again = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        pid_t keeper = -1;

        (void) number;
        *ret = (struct round){ .err = MAYFLY_ERROR_INIT };
        unsigned begin = now_ms();
        int r = mayfly_container_start(&c, MAYFLY_SPEC(.image = reference, .name = "faults", .idle = 1), &ret->err);
        if (r == 0)
                r = mayfly_container_keep(c, 3600, &keeper, &ret->err);
        ret->ms = now_ms() - begin;
        ret->result = r;
        if (c && (mayfly_container_exists(c, "/bin", &again) != 1 || mayfly_container_stop(c, &again) < 0)) {
                fprintf(stderr, "afterwards: %s\n", again.message);
                ret->result = -1;
                ret->err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        }
        mayfly_container_free(c);
}

static const struct place places[] = {
        { "fetch", 1, fetch },
        { "library", 1, up_and_down },
        { "mayfly-forward", 0, reach },
        { "mayfly-helper", 0, fetch_in_child },
        { "mayfly-init", 0, up_and_down },
        { "mayfly-keep", 0, keep },
        { "mayfly-launch", 0, up_and_down },
        { "mayfly-mount", 0, attach },
        { "mayfly-network", 0, up_and_down },
};

static const struct place *find_place(const char *name)
{
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
                if (strcmp(name, places[i].name) == 0)
                        return &places[i];
        fprintf(stderr, "usage: test-faults PLACE [STEP], with a PLACE of:");
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
                fprintf(stderr, " %s", places[i].name);
        fprintf(stderr, "\n");
        exit(2);
}

/* Copies the programs, one of which is exchanged in each round. */
static void make_directory(void)
{
        char command[1024];

        if (!mkdtemp(directory))
                exit(1);
        snprintf(command, sizeof(command), "cp '%s'/mayfly-* %s/ && : >%s/faults", getenv("MAYFLY_LIBEXEC"), directory,
                 directory);
        if (system(command) != 0)
                exit(1);
        setenv("MAYFLY_LIBEXEC", directory, 1);
}

/* A process of a container's, by its command line, within a second. */
static int is_left(void)
{
        for (unsigned i = 0; i < 50; i++) {
                if (system("pgrep -f '^[^ ]*(mayfly-keep|mayfly-launch|systemd-nspawn) .*machine[ =]faults-' "
                           ">/dev/null") != 0)
                        return 0;
                usleep(20000);
        }
        return 1;
}

/* The words of a message that say nothing about what went wrong. */
static int is_vague(const struct mayfly_error *err)
{
        return err->code == 0 || strlen(err->message) < 10 || strstr(err->message, "Success") ||
               strstr(err->message, "(null)");
}

static unsigned judge(const char *where, unsigned number, const struct round *round, unsigned descriptors)
{
        const char *complaint = NULL;

        if (round->result == 0 && round->err.code)
                complaint = "there is an error, and success";
        else if (round->result < 0 && is_vague(&round->err))
                complaint = "there is no clear error";
        else if (round->ms > SLOW_MS)
                complaint = "it took too long";
        else if (count_descriptors() != descriptors)
                complaint = "descriptors are left open";
        else if (is_left())
                complaint = "a process is left";
        if (complaint || getenv("VERBOSE"))
                fprintf(stderr, "%s: call %u (%s) fails, %u ms: %s; %d: %s\n", where, number, round->fault, round->ms,
                        complaint ? complaint : "fine", round->result, round->err.message);
        return complaint != NULL;
}

int main(int argc, char **argv)
{
        const struct place *place = find_place(argc > 1 ? argv[1] : "");
        unsigned step = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : 1, tried = 0, failed = 0;
        char command[64], digits[16];
        struct round round;

        /* A small one to fetch: each entry is some calls. */
        reference = getenv(place->round == fetch || place->round == fetch_in_child ? "MAYFLY_TEST_STATIC"
                                                                                   : "MAYFLY_TEST_BUSYBOX");
        make_directory();
        place->round(0, &round); /* fetches the image, too */
        if (round.result < 0) {
                fprintf(stderr, "%s\n", round.err.message);
                return 1;
        }
        unsigned descriptors = count_descriptors();
        for (unsigned number = 1, silent = 0; silent < SILENT; number += step) {
                if (!place->in_library) {
                        armed = place->name;
                        snprintf(digits, sizeof(digits), "%08u", number);
                        arm_program(directory, place->name, FAULTS_MARK, digits);
                }
                place->round(place->in_library ? number : 0, &round);
                find_fault_in_file(&round);
                silent = *round.fault || round.result < 0 ? 0 : silent + 1;
                tried += silent == 0;
                failed += judge(place->name, number, &round, descriptors);
        }
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        if (system(command) != 0 || tried < 5 / step)
                failed++;
        printf("soak\tfaults, %s: calls that fail in %s\t%u\t%u\n", getenv("MAYFLY_ENGINE"), place->name, tried,
               failed);
        return failed != 0;
}
