/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "support/filter.h"
#include "util/macro.h"

/* The containers' system call filters, as gen-filter makes them for each architecture and network: what they answer, and that they
 * allow nothing that the default profile of docker and podman does not
 * (PROFILE, of the Debian package golang-github-containers-common). */

#define ALLOWED (-1) /* what ask() returns for an allowed call; otherwise the errno */

static const char *const networks[] = { "private", "host" };

struct architecture {
        const char *name;      /* in libseccomp */
        const char *filter;    /* of which filter it is a part */
        const char *profile;   /* in the profile's "arches" */
        uint32_t audit, token; /* AUDIT_ARCH_*, SCMP_ARCH_* */
        uint32_t bit;          /* in each number */
};

static const struct architecture architectures[] = {
        { "x86_64", "x86_64", "amd64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0 },
        { "x86", "x86_64", "x86", AUDIT_ARCH_I386, SCMP_ARCH_X86, 0 },
        { "x32", "x86_64", "x32", AUDIT_ARCH_X86_64, SCMP_ARCH_X32, 0x40000000 },
        { "aarch64", "aarch64", "arm64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 0 },
};

static struct filter programs[MF_ELEMENTSOF(architectures)][MF_ELEMENTSOF(networks)];
static struct filter booted[MF_ELEMENTSOF(architectures)]; /* of containers with an init system */
static json_t *profile;

static int load_programs(void **state)
{
        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++)
                filter_make(&booted[a], "init/syscalls", architectures[a].filter, "boot");
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++)
                for (size_t n = 0; n < MF_ELEMENTSOF(networks); n++) {
                        filter_make(&programs[a][n], "init/syscalls", architectures[a].filter, networks[n]);
                        assert_true(programs[a][n].n > 100);
                }
        profile = json_load_file(PROFILE, 0, NULL);
        if (!profile)
                fail_msg(PROFILE " is missing; ci/install-deps installs golang-github-containers-common");
        return system("dpkg-query -Wf 'The profile is of ${Package} ${Version}\\n' golang-github-containers-common") ==
                               0
                       ? 0
                       : -1;
}
static int unload(void **state)
{
        (void) state;
        json_decref(profile);
        return 0;
}

static int ask(size_t architecture, size_t network, uint32_t nr, const uint64_t args[6])
{
        struct seccomp_data data = { .nr = (int) nr, .arch = architectures[architecture].audit };

        if (args)
                memcpy(data.args, args, sizeof(data.args));
        uint32_t answer = filter_run(&programs[architecture][network], &data);
        if (answer == SECCOMP_RET_ALLOW)
                return ALLOWED;
        assert_int_equal(answer & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
        return (int) (answer & SECCOMP_RET_DATA);
}

static int ask_name(size_t architecture, size_t network, const char *name, const uint64_t args[6])
{
        int nr = seccomp_syscall_resolve_name_rewrite(architectures[architecture].token, name);

        assert_true(nr >= 0);
        return ask(architecture, network, (uint32_t) nr | architectures[architecture].bit, args);
}

/* --- the profile ---------------------------------------------------------------------------------------------- */

static const char *const capabilities[] = { "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
                                            "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
                                            "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
                                            "CAP_KILL",    "CAP_AUDIT_WRITE" };

static int has_capability(const char *name)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(capabilities); i++)
                if (strcmp(capabilities[i], name) == 0)
                        return 1;
        return 0;
}

/* Whether the profile's rule is for containers with the default capabilities on this architecture. */
static int applies(json_t *rule, const char *architecture)
{
        json_t *includes = json_object_get(rule, "includes"), *excludes = json_object_get(rule, "excludes"), *item;
        json_t *arches = json_object_get(includes, "arches");
        size_t i;
        int found = !json_array_size(arches);

        json_array_foreach(json_object_get(includes, "caps"), i, item)
                if (!has_capability(json_string_value(item)))
                        return 0;
        json_array_foreach(json_object_get(excludes, "caps"), i, item)
                if (has_capability(json_string_value(item)))
                        return 0;
        json_array_foreach(arches, i, item)
                if (strcmp(json_string_value(item), architecture) == 0)
                        found = 1;
        return found;
}

static int matches(json_t *rule, const uint64_t args[6])
{
        json_t *comparison;
        size_t i;

        json_array_foreach(json_object_get(rule, "args"), i, comparison) {
                const char *op = json_string_value(json_object_get(comparison, "op"));
                uint64_t value = (uint64_t) json_integer_value(json_object_get(comparison, "value"));
                uint64_t two = (uint64_t) json_integer_value(json_object_get(comparison, "valueTwo"));
                uint64_t arg = args[json_integer_value(json_object_get(comparison, "index"))];
                int truth = strcmp(op, "SCMP_CMP_EQ") == 0   ? arg == value
                            : strcmp(op, "SCMP_CMP_NE") == 0 ? arg != value
                                                             : (arg & value) == two;
                if (!truth)
                        return 0;
        }
        return 1;
}

#define RULES_MAX 16

/* The profile's rules that allow the call on this architecture, maybe with some arguments only. Returns how many. */
static size_t find_rules(const char *name, const char *architecture, json_t *ret[RULES_MAX])
{
        json_t *rule, *item;
        size_t i, k, n = 0;

        json_array_foreach(json_object_get(profile, "syscalls"), i, rule) {
                if (strcmp(json_string_value(json_object_get(rule, "action")), "SCMP_ACT_ALLOW") != 0 ||
                    !applies(rule, architecture))
                        continue;
                json_array_foreach(json_object_get(rule, "names"), k, item)
                        if (strcmp(json_string_value(item), name) == 0 && n < RULES_MAX)
                                ret[n++] = rule;
        }
        return n;
}

static int any_matches(json_t *const *rules, size_t n, const uint64_t args[6])
{
        for (size_t i = 0; i < n; i++)
                if (matches(rules[i], args))
                        return 1;
        return 0;
}

/* --- the tests ------------------------------------------------------------------------------------------------ */

/* Arguments that rules of either side look at. */
static const uint64_t interesting[] = { 0,
                                        1,
                                        2,
                                        3,
                                        8,
                                        9,
                                        10,
                                        16,
                                        17,
                                        31,
                                        38,
                                        40,
                                        44,
                                        0x20000,
                                        0x20008,
                                        0x40000,
                                        0x400000,
                                        0xffffffff,
                                        CLONE_NEWUSER,
                                        CLONE_NEWNS,
                                        SIGCHLD,
                                        S_IFBLK,
                                        S_IFCHR,
                                        S_IFIFO,
                                        UINT64_C(0x100000000) };

static void compare(size_t a, size_t n, uint32_t nr, const char *name)
{
        /* The kernel takes 32 bits of each argument there. */
        const uint64_t bits = architectures[a].token == SCMP_ARCH_X86 ? UINT32_MAX : UINT64_MAX;
        json_t *rules[RULES_MAX];
        size_t n_rules = find_rules(name, architectures[a].profile, rules);

        for (size_t i = 0; i < MF_ELEMENTSOF(interesting); i++)
                for (size_t k = 0; k < MF_ELEMENTSOF(interesting); k++) {
                        const uint64_t args[6] = { interesting[i] & bits, interesting[k] & bits,
                                                   interesting[k] & bits };
                        if (ask(a, n, nr, args) == ALLOWED && !any_matches(rules, n_rules, args))
                                fail_msg("%s with %#llx, %#llx is allowed on %s, network %s; the profile denies it",
                                         name, (unsigned long long) args[0], (unsigned long long) args[2],
                                         architectures[a].name, networks[n]);
                }
}

/* Each number of each architecture: what we allow, they do, and what has no name nobody does. */
static void test_no_wider_than_the_default_profile(void **state)
{
        unsigned allowed = 0;

        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++)
                for (size_t n = 0; n < MF_ELEMENTSOF(networks); n++)
                        for (uint32_t nr = 0; nr < 1200; nr++) {
                                uint32_t number = nr | architectures[a].bit;
                                char *name = seccomp_syscall_resolve_num_arch(architectures[a].token, (int) number);
                                if (name)
                                        compare(a, n, number, name);
                                else
                                        assert_int_equal(ask(a, n, number, NULL), ENOSYS);
                                allowed += ask(a, n, number, NULL) == ALLOWED;
                                free(name);
                        }
        assert_true(allowed > 1500); /* it did compare something */
}

/* No number of x32 is anything, nor one of an architecture that the filter is not for. */
static void test_other_architectures_have_no_calls(void **state)
{
        (void) state;
        for (uint32_t nr = 0; nr < 1200; nr++) {
                struct seccomp_data data = { .nr = (int) nr, .arch = AUDIT_ARCH_PPC64LE };
                assert_int_equal(ask(2, 0, nr | 0x40000000, NULL), ENOSYS);
                assert_int_equal(filter_run(&programs[0][0], &data), SECCOMP_RET_ERRNO | ENOSYS);
        }
}

static void test_answers(void **state)
{
        static const struct {
                const char *name;
                int answer;
        } cases[] = {
                { "read", ALLOWED },      { "openat", ALLOWED },        { "seccomp", ALLOWED },
                { "chroot", ALLOWED },    { "mount", EPERM },           { "unshare", EPERM },
                { "setns", EPERM },       { "keyctl", EPERM },          { "bpf", EPERM },
                { "pidfd_getfd", EPERM }, { "io_uring_setup", EPERM },  { "fanotify_init", EPERM },
                { "sethostname", EPERM }, { "process_madvise", EPERM }, { "open_by_handle_at", EPERM },
                { "clone3", ENOSYS },
        };

        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++)
                for (size_t n = 0; n < MF_ELEMENTSOF(networks); n++)
                        for (size_t i = 0; i < MF_ELEMENTSOF(cases); i++)
                                assert_int_equal(ask_name(a, n, cases[i].name, NULL),
                                                 architectures[a].bit ? ENOSYS : cases[i].answer);
}

/* The profile of Debian 12 allows these, the later ones do not, whichever of them is installed. */
static void test_calls_that_later_profiles_deny(void **state)
{
        static const char *const calls[] = { "readdir", "sigaction", "sigpending", "sigsuspend" };

        (void) state;
        for (size_t n = 0; n < MF_ELEMENTSOF(networks); n++)
                for (size_t i = 0; i < MF_ELEMENTSOF(calls); i++)
                        assert_int_equal(ask_name(1, n, calls[i], NULL), ENOSYS);
}

static int ask_socket(size_t architecture, size_t network, uint64_t family, uint64_t protocol)
{
        /* On i386 by its own number: libseccomp's name for it stands for socketcall(2), too. */
        const uint64_t args[6] = { family, SOCK_DGRAM, protocol };

        return architectures[architecture].token == SCMP_ARCH_X86 ? ask(architecture, network, 359, args)
                                                                  : ask_name(architecture, network, "socket", args);
}

static void test_address_families(void **state)
{
        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++) {
                if (architectures[a].bit)
                        continue;
                for (uint64_t family = 0; family < 64; family++) {
                        int always =
                                family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
                        int here = always || (family == AF_PACKET && architectures[a].token != SCMP_ARCH_X86);
                        assert_int_equal(ask_socket(a, 0, family, 0), here ? ALLOWED : EAFNOSUPPORT);
                        assert_int_equal(ask_socket(a, 1, family, 0), always ? ALLOWED : EAFNOSUPPORT);
                }
                assert_int_equal(ask_socket(a, 0, AF_NETLINK, 9), EPROTONOSUPPORT); /* NETLINK_AUDIT */
                assert_int_not_equal(ask_socket(a, 0, 1000, 0), ALLOWED);
        }
}

static void test_socketcall_makes_no_sockets(void **state)
{
        (void) state;
        for (uint64_t call = 0; call < 32; call++)
                assert_int_equal(ask(1, 0, 102, (const uint64_t[6]){ call }),
                                 call == 1 || call == 8 ? ENOSYS : ALLOWED);
}

static void test_no_new_namespaces(void **state)
{
        static const uint64_t flags[] = { CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
                                          CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP };

        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++) {
                if (architectures[a].bit)
                        continue;
                assert_int_equal(ask_name(a, 0, "clone", (const uint64_t[6]){ SIGCHLD }), ALLOWED);
                assert_int_equal(ask_name(a, 0, "clone", (const uint64_t[6]){ CLONE_VM | CLONE_FS | CLONE_THREAD }),
                                 ALLOWED);
                for (size_t i = 0; i < MF_ELEMENTSOF(flags); i++)
                        assert_int_equal(ask_name(a, 0, "clone", (const uint64_t[6]){ flags[i] | SIGCHLD }), EPERM);
        }
}

/* With an init system the same is allowed, and besides that what concerns mounts, namespaces and the host name. */
static void test_an_init_system_may_more(void **state)
{
        static const char *const more[] = { "fsconfig",      "fsmount",        "fsopen",
                                            "fspick",        "mount",          "listmount",
                                            "mount_setattr", "move_mount",     "name_to_handle_at",
                                            "open_tree",     "open_tree_attr", "pivot_root",
                                            "setdomainname", "sethostname",    "setns",
                                            "statmount",     "umount",         "umount2",
                                            "unshare",       "listns" };
        static const uint64_t namespaces[6] = { CLONE_NEWNS | CLONE_NEWUSER | SIGCHLD };

        (void) state;
        for (size_t a = 0; a < MF_ELEMENTSOF(architectures); a++) {
                unsigned n_more = 0;
                for (uint32_t nr = 0; nr < 1200; nr++) {
                        struct seccomp_data data = { .nr = (int) (nr | architectures[a].bit),
                                                     .arch = architectures[a].audit };
                        if (filter_run(&booted[a], &data) == filter_run(&programs[a][0], &data))
                                continue;
                        char *name = seccomp_syscall_resolve_num_arch(architectures[a].token, data.nr);
                        size_t i = 0;
                        while (i < MF_ELEMENTSOF(more) && strcmp(name, more[i]) != 0)
                                i++;
                        assert_true(i < MF_ELEMENTSOF(more) && filter_run(&booted[a], &data) == SECCOMP_RET_ALLOW);
                        free(name);
                        n_more++;
                }
                assert_true(architectures[a].bit ? n_more == 0 : n_more > 10);
                if (architectures[a].bit)
                        continue;
                struct seccomp_data data = { .nr = seccomp_syscall_resolve_name_rewrite(architectures[a].token,
                                                                                        "clone"),
                                             .arch = architectures[a].audit };
                memcpy(data.args, namespaces, sizeof(namespaces));
                assert_int_equal(filter_run(&booted[a], &data), SECCOMP_RET_ALLOW);
        }
}

static void test_no_device_nodes(void **state)
{
        static const struct {
                uint64_t mode, device;
                int answer;
        } cases[] = {
                { S_IFREG | 0644, 0, ALLOWED },  { S_IFIFO | 0644, 7, ALLOWED },   { 0644, 5, ALLOWED },
                { S_IFSOCK | 0777, 0, ALLOWED }, { S_IFCHR | 0666, 0, ALLOWED },   { S_IFCHR | 0666, 0x103, EPERM },
                { S_IFBLK | 0666, 0, EPERM },    { S_IFBLK | 0666, 0x801, EPERM }, { S_IFBLK | 0200666, 0x801, EPERM },
        };

        (void) state;
        for (size_t a = 0; a < 2; a++)
                for (size_t i = 0; i < MF_ELEMENTSOF(cases); i++) {
                        assert_int_equal(
                                ask_name(a, 0, "mknod", (const uint64_t[6]){ 0, cases[i].mode, cases[i].device }),
                                cases[i].answer);
                        assert_int_equal(
                                ask_name(a, 0, "mknodat", (const uint64_t[6]){ 0, 0, cases[i].mode, cases[i].device }),
                                cases[i].answer);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_wider_than_the_default_profile),
                cmocka_unit_test(test_other_architectures_have_no_calls),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_calls_that_later_profiles_deny),
                cmocka_unit_test(test_address_families),
                cmocka_unit_test(test_socketcall_makes_no_sockets),
                cmocka_unit_test(test_no_new_namespaces),
                cmocka_unit_test(test_an_init_system_may_more),
                cmocka_unit_test(test_no_device_nodes),
        };

        return cmocka_run_group_tests(tests, load_programs, unload);
}
