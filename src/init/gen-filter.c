/* SPDX-License-Identifier: MIT */

/* Writes system call filters as C arrays, ready to load, from a list in a file: those of containers from src/init/syscalls, that
 * of mayfly-forward from src/forward/syscalls. Runs when mayfly is built, because compiling a filter with libseccomp takes 30 ms.
 *
 *     gen-filter LIST array private host boot > syscall-filter.h
 *     gen-filter LIST array forward > forward-filter.h
 *     gen-filter LIST aarch64|x86_64 private|host|boot|forward    the filter itself, as seccomp(2) takes it, for the tests */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

/* New namespaces come with capabilities in them, and so with all of the kernel that those open. */
#define NEW_NAMESPACES \
        (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)

/* More address families than there are. */
#define FAMILIES 64

/* The filter of containers on a network of their own, or on the host's, or of mayfly-forward; or of containers that have an init
 * system of their own, on a network of their own. */
enum use { PRIVATE, HOST, FORWARD, BOOT };

static const char *const uses[] = { "private", "host", "forward", "boot" };

/* Where seccomp(2) keeps what a filter looks at. */
#define DATA_NR offsetof(struct seccomp_data, nr)
#define DATA_ARCH offsetof(struct seccomp_data, arch)
#define DATA_ARG(n) offsetof(struct seccomp_data, args[n])

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t) (offset))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define RETURN_ERROR(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* Comes before what libseccomp makes, for i386 beside x86_64. Its socketcall(2) takes a pointer to the arguments, where
 * no filter can look, so that it makes no sockets; libseccomp refuses rules about arguments for the calls beside it. */
static const struct sock_filter i386_sockets[] = {
        LOAD(DATA_ARCH),          IF_EQUAL(AUDIT_ARCH_I386, 0, 17), LOAD(DATA_NR),
        IF_EQUAL(102, 2, 0),  /* socketcall */
        IF_EQUAL(359, 4, 0),  /* socket */
        IF_EQUAL(360, 3, 13), /* socketpair */
        LOAD(DATA_ARG(0)),        IF_EQUAL(SYS_SOCKET, 10, 0),      IF_EQUAL(SYS_SOCKETPAIR, 9, 10),
        LOAD(DATA_ARG(0)),        IF_EQUAL(AF_UNIX, 8, 0),          IF_EQUAL(AF_INET, 7, 0),
        IF_EQUAL(AF_INET6, 6, 0), IF_EQUAL(AF_NETLINK, 1, 0),       RETURN_ERROR(EAFNOSUPPORT),
        LOAD(DATA_ARG(2)),        IF_EQUAL(NETLINK_AUDIT, 0, 2),    RETURN_ERROR(EPROTONOSUPPORT),
        RETURN_ERROR(ENOSYS),
};

static void check(int r, const char *what)
{
        if (r < 0) {
                fprintf(stderr, "gen-filter: %s: %s\n", what, strerror(-r));
                exit(1);
        }
}

/* What a list's lines are added to. */
struct filter {
        scmp_filter_ctx ctx;
        uint32_t architecture;
        enum use use;
};

static void add(const struct filter *filter, uint32_t action, const char *name, unsigned n,
                const struct scmp_arg_cmp *compare)
{
        int nr = seccomp_syscall_resolve_name(name);

        /* Of another architecture, or newer than this libseccomp: then the default is the answer. */
        if (nr != __NR_SCMP_ERROR)
                check(seccomp_rule_add_array(filter->ctx, action, nr, n, compare), name);
}

/* Allows processes and threads, but with new namespaces only to an init system. */
static void add_clone(const struct filter *filter, const char *name)
{
        if (filter->use == BOOT) {
                add(filter, SCMP_ACT_ALLOW, name, 0, NULL);
                return;
        }
        add(filter, SCMP_ACT_ALLOW, name, 1, (struct scmp_arg_cmp[]){ SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0) });
        /* One rule a flag: the comparison is of all bits under a mask. */
        for (uint64_t flag = 1; flag <= NEW_NAMESPACES; flag <<= 1)
                if (flag & NEW_NAMESPACES)
                        add(filter, SCMP_ACT_ERRNO(EPERM), name, 1,
                            (struct scmp_arg_cmp[]){ SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag) });
}

/* Device nodes are the host's devices, whoever makes them; CAP_MKNOD is among the default capabilities. Only 0:0, with
 * which overlayfs marks what is removed, stands for none. `mode` and `dev` are the numbers of the arguments. */
static void add_mknod(const struct filter *filter, const char *name, unsigned mode, unsigned dev)
{
        static const unsigned plain[] = { 0, S_IFREG, S_IFIFO, S_IFSOCK };

        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                add(filter, SCMP_ACT_ALLOW, name, 1,
                    (struct scmp_arg_cmp[]){ SCMP_CMP(mode, SCMP_CMP_MASKED_EQ, S_IFMT, plain[i]) });
        add(filter, SCMP_ACT_ERRNO(EPERM), name, 1,
            (struct scmp_arg_cmp[]){ SCMP_CMP(mode, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFBLK) });
        add(filter, SCMP_ACT_ALLOW, name, 2,
            (struct scmp_arg_cmp[]){ SCMP_CMP(mode, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFCHR),
                                     SCMP_CMP(dev, SCMP_CMP_EQ, 0, 0) });
        add(filter, SCMP_ACT_ERRNO(EPERM), name, 2,
            (struct scmp_arg_cmp[]){ SCMP_CMP(mode, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFCHR),
                                     SCMP_CMP(dev, SCMP_CMP_NE, 0, 0) });
}

/* Linux with 32 or 64 bits and old version numbers, as setarch(8) wants them, and the question which it is. Others
 * switch protections off. */
static void add_personality(const struct filter *filter, const char *name)
{
        static const uint64_t harmless[] = { 0, 8, 0x20000, 0x20008, 0xffffffff };

        for (size_t i = 0; i < ELEMENTSOF(harmless); i++)
                add(filter, SCMP_ACT_ALLOW, name, 1, (struct scmp_arg_cmp[]){ SCMP_A0(SCMP_CMP_EQ, harmless[i], 0) });
}

/* Families by list: AF_VSOCK reaches the hypervisor, and the rest is kernel code that a test has no use for. AF_PACKET
 * is for DHCP and the like, and sees everything on the network that it is on. */
static void add_socket(const struct filter *filter, const char *name)
{
        for (int family = 0; family < FAMILIES; family++) {
                const struct scmp_arg_cmp is_family = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t) family, 0);
                if (family == AF_NETLINK) {
                        add(filter, SCMP_ACT_ALLOW, name, 2,
                            (struct scmp_arg_cmp[]){ is_family, SCMP_A2(SCMP_CMP_NE, NETLINK_AUDIT, 0) });
                        add(filter, SCMP_ACT_ERRNO(EPROTONOSUPPORT), name, 2,
                            (struct scmp_arg_cmp[]){ is_family, SCMP_A2(SCMP_CMP_EQ, NETLINK_AUDIT, 0) });
                        continue;
                }
                int allowed = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
                              (family == AF_PACKET && filter->use != HOST);
                add(filter, allowed ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT), name, 1, &is_family);
        }
}

static void add_socketpair(const struct filter *filter, const char *name)
{
        for (int family = 0; family < FAMILIES; family++)
                add(filter, family == AF_UNIX ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT), name, 1,
                    (struct scmp_arg_cmp[]){ SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t) family, 0) });
}

/* What mayfly-forward may call with some arguments only: the sockets that the library asks for, memory that is not executed,
 * and the one question about a socket's queue. */
static void allow_forward(const struct filter *filter, const char *name)
{
        if (strcmp(name, "socket") == 0) {
                static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };
                for (size_t i = 0; i < ELEMENTSOF(families); i++)
                        add(filter, SCMP_ACT_ALLOW, name, 1,
                            (struct scmp_arg_cmp[]){ SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t) families[i], 0) });
                add(filter, SCMP_ACT_ALLOW, name, 2,
                    (struct scmp_arg_cmp[]){ SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
                                             SCMP_A2(SCMP_CMP_EQ, NETLINK_SOCK_DIAG, 0) });
        } else if (strcmp(name, "mmap") == 0 || strcmp(name, "mprotect") == 0) {
                add(filter, SCMP_ACT_ALLOW, name, 1,
                    (struct scmp_arg_cmp[]){ SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) });
        } else if (strcmp(name, "ioctl") == 0) {
                add(filter, SCMP_ACT_ALLOW, name, 1, (struct scmp_arg_cmp[]){ SCMP_A1(SCMP_CMP_EQ, SIOCOUTQNSD, 0) });
        } else {
                add(filter, SCMP_ACT_ALLOW, name, 0, NULL);
        }
}

static void allow(const struct filter *filter, const char *name)
{
        if (filter->use == FORWARD) {
                allow_forward(filter, name);
                return;
        }
        if (strcmp(name, "arch_prctl") == 0 && filter->architecture == SCMP_ARCH_X86)
                return; /* a call of 64-bit programs */
        if (strcmp(name, "clone") == 0)
                add_clone(filter, name);
        else if (strcmp(name, "mknod") == 0)
                add_mknod(filter, name, 1, 2);
        else if (strcmp(name, "mknodat") == 0)
                add_mknod(filter, name, 2, 3);
        else if (strcmp(name, "personality") == 0)
                add_personality(filter, name);
        else if (strcmp(name, "socket") == 0 && filter->architecture != SCMP_ARCH_X86)
                add_socket(filter, name);
        else if (strcmp(name, "socketpair") == 0 && filter->architecture != SCMP_ARCH_X86)
                add_socketpair(filter, name);
        else
                add(filter, SCMP_ACT_ALLOW, name, 0, NULL);
}

static void add_line(const struct filter *filter, char *line)
{
        char *rest = NULL, *verb = strtok_r(line, " \n", &rest);

        if (!verb || *verb == '#')
                return;
        for (char *name; (name = strtok_r(NULL, " \n", &rest));)
                if (strcmp(verb, "allow") == 0 || (strcmp(verb, "boot") == 0 && filter->use == BOOT))
                        allow(filter, name);
                else if (strcmp(verb, "deny") == 0 || strcmp(verb, "boot") == 0)
                        add(filter, SCMP_ACT_ERRNO(EPERM), name, 0, NULL);
                else if (strcmp(verb, "absent") != 0)
                        check(-EINVAL, verb);
}

static struct filter make_filter(const char *list, uint32_t architecture, enum use use)
{
        /* A program of a container may try what there is; mayfly-forward has no reason to. */
        const uint32_t otherwise = use == FORWARD ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS);
        const struct filter filter = { seccomp_init(otherwise), architecture, use };
        FILE *f = fopen(list, "re");
        char line[1024];

        if (!filter.ctx || !f)
                check(-errno, list);
        if (architecture != seccomp_arch_native()) {
                check(seccomp_arch_add(filter.ctx, architecture), "the other architecture");
                check(seccomp_arch_remove(filter.ctx, seccomp_arch_native()), "this architecture");
        }
        check(seccomp_attr_set(filter.ctx, SCMP_FLTATR_ACT_BADARCH, otherwise), "bad architectures");
        check(seccomp_attr_set(filter.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
        while (fgets(line, sizeof(line), f))
                add_line(&filter, line);
        fclose(f);
        return filter;
}

/* The whole program, as a stream of struct sock_filter to read from. */
static FILE *make_program(const char *list, uint32_t architecture, enum use use)
{
        struct filter filter = make_filter(list, architecture, use);
        FILE *f = tmpfile();

        if (!f)
                check(-errno, "tmpfile");
        if (architecture == SCMP_ARCH_X86_64 && use != FORWARD) {
                check(seccomp_merge(filter.ctx, make_filter(list, SCMP_ARCH_X86, use).ctx), "i386");
                if (fwrite(i386_sockets, sizeof(i386_sockets), 1, f) != 1 || fflush(f) != 0)
                        check(-errno, "a temporary file");
        }
        check(seccomp_export_bpf(filter.ctx, fileno(f)), "seccomp_export_bpf");
        seccomp_release(filter.ctx);
        rewind(f);
        return f;
}

static void print_array(const char *list, enum use use)
{
        FILE *f = make_program(list, seccomp_arch_native(), use);
        struct sock_filter op;

        printf("static const struct sock_filter syscall_filter_%s[] = {\n", uses[use]);
        while (fread(&op, sizeof(op), 1, f) == 1)
                printf("        { %#x, %u, %u, %#x },\n", op.code, op.jt, op.jf, op.k);
        puts("};");
        fclose(f);
}

static void write_program(const char *list, const char *architecture, enum use use)
{
        FILE *f = make_program(list, seccomp_arch_resolve_name(architecture), use);
        struct sock_filter op;

        while (fread(&op, sizeof(op), 1, f) == 1)
                fwrite(&op, sizeof(op), 1, stdout);
        fclose(f);
}

static enum use parse_use(const char *name)
{
        size_t use = 0;

        while (use < ELEMENTSOF(uses) && strcmp(uses[use], name) != 0)
                use++;
        if (use == ELEMENTSOF(uses))
                check(-EINVAL, name);
        return (enum use) use;
}

int main(int argc, char **argv)
{
        if (argc < 4) {
                fputs("usage: gen-filter LIST array|ARCHITECTURE private|host|boot|forward...\n", stderr);
                return 2;
        }
        if (strcmp(argv[2], "array") == 0)
                puts("/* Made by gen-filter.c. */");
        for (int i = 3; i < argc; i++)
                if (strcmp(argv[2], "array") == 0)
                        print_array(argv[1], parse_use(argv[i]));
                else
                        write_program(argv[1], argv[2], parse_use(argv[i]));
        return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
