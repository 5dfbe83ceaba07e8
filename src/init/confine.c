/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/init.h"
#include "syscall-filter.h"

#define BIT(capability) (UINT64_C(1) << (capability))

static int get_capabilities(struct __user_cap_data_struct data[2])
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

        return syscall(SYS_capget, &header, data) < 0 ? -errno : 0;
}

/* Of those that are permitted: what stays so, and what is in effect. Nothing is inheritable. */
static int set_capabilities(uint64_t permitted, uint64_t effective)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        int r = get_capabilities(data);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < 2; i++) {
                data[i].permitted &= (uint32_t) (permitted >> (32 * i));
                data[i].effective = data[i].permitted & (uint32_t) (effective >> (32 * i));
                data[i].inheritable = 0;
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Only what is in the bounding set outlives an execution. */
static int bound_capabilities(uint64_t mask)
{
        for (unsigned cap = 0; cap < 64; cap++) {
                if (mask & BIT(cap))
                        continue;
                int held = prctl(PR_CAPBSET_READ, cap);
                if (held < 0 && errno == EINVAL)
                        break; /* the kernel knows no more of them */
                if (held < 0 || (held && prctl(PR_CAPBSET_DROP, cap) < 0))
                        return -errno;
        }
        return 0;
}

/* A process may load a filter if it has no way to new privileges, or if it has CAP_SYS_ADMIN. */
static int wants_admin(const struct mf_confinement *confinement)
{
        return confinement->filter && !confinement->no_new_privs;
}

static uint64_t own;

#define FILTER(array)                                                                       \
        {                                                                                   \
                sizeof(array) / sizeof((array)[0]), (struct sock_filter *) (void *) (array) \
        }

int mf_confine(const struct mf_exec *exec, int host_network, char *text, size_t text_size)
{
        const struct sock_fprog private = FILTER(syscall_filter_private), host = FILTER(syscall_filter_host),
                                boot = FILTER(syscall_filter_boot);
        const struct sock_fprog *program = exec->boot ? &boot : host_network ? &host : &private;
        int r = 0;

        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) < 0) {
                r = -errno;
                snprintf(text, text_size, "loading the system call filter: %s; the kernel must have SECCOMP_FILTER",
                         strerrordesc_np(-r));
                return r;
        }
        own = exec->bound;
        r = bound_capabilities(own);
        if (r == 0) {
                (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
                r = set_capabilities(own | (wants_admin(&exec->confinement) ? BIT(CAP_SYS_ADMIN) : 0), own);
        }
        if (r < 0)
                snprintf(text, text_size, "limiting capabilities: %s", strerrordesc_np(-r));
        return r;
}

int mf_confine_fully(char *text, size_t text_size)
{
        int r = set_capabilities(own, own);

        if (r < 0)
                snprintf(text, text_size, "limiting capabilities: %s", strerrordesc_np(-r));
        return r;
}

static int set_oom_score_adj(const char *value)
{
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        int r = write(fd, value, strlen(value)) < 0 ? -errno : 0;
        close(fd);
        return r;
}

int mf_confine_can_score(const char *oom_score_adj)
{
        char now[16] = "";
        int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return 0;
        ssize_t n = read(fd, now, sizeof(now) - 1);
        close(fd);
        if (n <= 0)
                return 0;
        /* Only an attempt tells: mayfly-launch may have allowed lower scores, with a capability that nothing here has. */
        return set_oom_score_adj(oom_score_adj) == 0 && set_oom_score_adj(now) == 0;
}

int mf_confine_pre_setuid(const struct mf_confinement *confinement, char *text, size_t text_size)
{
        int r = 0;

        if (confinement->oom_score_adj) {
                r = set_oom_score_adj(confinement->oom_score_adj);
                if (r < 0)
                        snprintf(text, text_size, "oom_score_adj of %s: %s", confinement->oom_score_adj,
                                 strerrordesc_np(-r));
        }
        if (r == 0 && confinement->has_capabilities) {
                r = bound_capabilities(confinement->capabilities);
                if (r < 0)
                        snprintf(text, text_size, "limiting the app's capabilities: %s", strerrordesc_np(-r));
        }
        if (r == 0 && wants_admin(confinement) && prctl(PR_SET_KEEPCAPS, 1) < 0) {
                r = -errno;
                snprintf(text, text_size, "keeping capabilities for the app's filter: %s", strerrordesc_np(-r));
        }
        return r;
}

int mf_confine_post_setuid(const struct mf_confinement *confinement, char *text, size_t text_size)
{
        int r = 0;

        /* The execution takes it away: it is not in the bounding set. */
        if (wants_admin(confinement))
                r = set_capabilities(BIT(CAP_SYS_ADMIN), BIT(CAP_SYS_ADMIN));
        if (r == 0 && confinement->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                r = -errno;
        if (r < 0)
                snprintf(text, text_size, "confining the app: %s", strerrordesc_np(-r));
        return r;
}

int mf_confine_pre_exec(const struct mf_confinement *confinement)
{
        if (!confinement->filter)
                return 0;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, confinement->filter) < 0 ? -errno : 0;
}
