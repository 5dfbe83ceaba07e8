/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/check.h"
#include "util/fd.h"
#include "util/macro.h"

/* The containers that this process may be in, and what to give them so that mayfly works in them. */
struct outer {
        const char *kind; /* as container managers write it into $container and /run/systemd/container */
        const char *name;
        const char *for_root, *for_user;
};

#define DOCKER_OPTIONS \
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"

static const struct outer outers[] = {
        { "docker", "a docker container", "start the container with `docker run --privileged`",
          "start the container with `docker run " DOCKER_OPTIONS "` (or with --privileged)" },
        { "podman", "a podman container", "start the container, as root, with `podman run --privileged`",
          "start the container with `podman run --security-opt seccomp=unconfined --security-opt unmask=ALL "
          "--security-opt label=disable` (or with --privileged)" },
        { "kubernetes", "a Kubernetes pod", "set `privileged: true` in the securityContext of the container",
          "set `privileged: true` in the securityContext of the container" },
        { "lxc", "an LXC container",
          "set `security.nesting=true` for the container (lxc config set NAME security.nesting=true), or use a virtual "
          "machine",
          "set `security.nesting=true` for the container (lxc config set NAME security.nesting=true)" },
        { "systemd-nspawn", "a systemd-nspawn container",
          "start the container with `systemd-nspawn --capability=all --system-call-filter=@mount --private-users=no`",
          "start the container with `systemd-nspawn --capability=all --system-call-filter=@mount --private-users=no`" },
};

/* The same for jobs of a CI service: there the container is the service's to start. */
static const struct outer services[] = {
        { "GITHUB_ACTIONS", "GitHub Actions",
          "write `options: --privileged` below `container:` of the job in the workflow, or run the job without "
          "`container:` and use sudo",
          "write `options: " DOCKER_OPTIONS "` (or `options: --privileged`) below `container:` of the job in the "
          "workflow, or run the job without `container:`" },
        { "GITLAB_CI", "GitLab",
          "write `privileged = true` below [runners.docker] (or [runners.kubernetes]) in the config.toml of the runner",
          "write `privileged = true` below [runners.docker] (or [runners.kubernetes]) in the config.toml of the "
          "runner" },
};

static const struct outer *find_kind(const char *kind)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(outers); i++)
                if (strcmp(outers[i].kind, kind) == 0)
                        return &outers[i];
        return NULL;
}

/* What systemd writes for its own use in a container. */
static const struct outer *find_by_systemd(void)
{
        mf_cleanup(mf_closep) int fd = open("/run/systemd/container", O_RDONLY | O_CLOEXEC);
        char kind[32];

        ssize_t n = fd < 0 ? -1 : mf_read_full(fd, kind, sizeof(kind) - 1);
        if (n <= 0)
                return NULL;
        kind[n] = '\0';
        kind[strcspn(kind, "\n")] = '\0';
        return find_kind(kind);
}

/* The marks of which each kind of container leaves one, in the order in which they count: a variable or a file. */
static const struct {
        const char *kind; /* NULL: the mark says it */
        const char *mark;
} marks[] = {
        { NULL, "$container" },
        { NULL, "/run/systemd/container" },
        { "podman", "/run/.containerenv" },
        { "kubernetes", "$KUBERNETES_SERVICE_HOST" },
        { "kubernetes", "/run/secrets/kubernetes.io" },
        { "docker", "/.dockerenv" },
};

static const struct outer *look_at_mark(const char *kind, const char *mark)
{
        const char *value = *mark == '$' ? secure_getenv(mark + 1) : NULL;

        if (kind)
                return value || (*mark == '/' && access(mark, F_OK) == 0) ? find_kind(kind) : NULL;
        return *mark == '/' ? find_by_systemd() : value ? find_kind(value) : NULL;
}

/* The container that this process is in, by its mark; NULL when there is none. */
static const struct outer *find_outer(const char **ret_mark)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(marks); i++) {
                const struct outer *found = look_at_mark(marks[i].kind, marks[i].mark);
                if (found) {
                        *ret_mark = marks[i].mark;
                        return found;
                }
        }
        return NULL;
}

static const struct outer *find_service(void)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(services); i++) {
                const char *value = secure_getenv(services[i].kind);
                if (value && strcmp(value, "true") == 0)
                        return &services[i];
        }
        return NULL;
}

const char *mf_host_outer_name(void)
{
        const char *mark;
        const struct outer *outer = find_outer(&mark);

        return outer ? outer->name : NULL;
}

const char *mf_host_outer_advice(const struct mf_host *host)
{
        const char *mark;
        const struct outer *outer = find_outer(&mark), *service = outer ? find_service() : NULL;

        if (service)
                outer = service;
        return !outer ? NULL : host->is_root ? outer->for_root : outer->for_user;
}

void mf_host_remedy_outer(const struct mf_host *host, struct mf_host_finding *ret, const char *otherwise)
{
        const char *advice = mf_host_outer_advice(host);

        mf_host_remedy(ret, "%s", advice ? advice : otherwise);
}

void mf_probe_container(const struct mf_host *host, struct mf_host_finding *ret)
{
        const char *mark;
        const struct outer *outer = find_outer(&mark), *service = find_service();
        char place[128] = "in no container that mayfly knows";
        uint64_t seccomp = 0;

        (void) host;
        (void) mf_host_read_status("Seccomp", 10, &seccomp);
        if (outer)
                snprintf(place, sizeof(place), "in %s (by %s)", outer->name, mark);
        mf_host_ok(ret, "this process is %s%s%s%s", place, service ? ", a job of " : "", service ? service->name : "",
                   seccomp == 2 ? ", under a seccomp filter" : "");
}
