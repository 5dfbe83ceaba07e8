/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/bus.h"
#include "host/check.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/timeout.h"

/* How long D-Bus and machined may take to answer. */
#define ANSWER_MS 3000U

void mf_probe_systemd(const struct mf_host *host, struct mf_host_finding *ret)
{
        mf_cleanup(mf_closep) int fd = open("/proc/1/comm", O_RDONLY | O_CLOEXEC);
        char name[32] = "";

        ssize_t n = fd < 0 ? 0 : mf_read_full(fd, name, sizeof(name) - 1);
        name[n < 0 ? 0 : n] = '\0';
        name[strcspn(name, "\n")] = '\0';
        if (host->wants_systemd && !host->is_root && !mf_bus_has_user_manager()) {
                mf_host_missing(
                        ret, -ENOTCONN,
                        "the engine \"systemd\" needs the user's own systemd, which does not run or has no bus");
                mf_host_remedy(
                        ret,
                        "log in, or run sudo loginctl enable-linger %u, and install dbus-user-session; or choose "
                        "the engine \"direct\" (MAYFLY_ENGINE=direct, or unset it)",
                        (unsigned) geteuid());
        } else if (host->wants_systemd && !mf_bus_booted()) {
                mf_host_missing(ret, -ENOTCONN,
                                "the engine \"systemd\" needs systemd as PID 1, which did not boot this host");
                mf_host_remedy(ret, "choose the engine \"direct\" (MAYFLY_ENGINE=direct, or unset it)");
        } else {
                mf_host_ok(ret, "PID 1 is %s, and the engine is \"%s\"", *name ? name : "unknown",
                           host->wants_systemd ? "systemd" : "direct");
        }
}

/* Asks D-Bus for systemd, and then machined. Returns 0 or negative errno. */
static int ask_machined(struct mayfly_error *err)
{
        struct mf_bus *bus = NULL;

        int r = mf_bus_open(&bus, 0, "mayfly-doctor.service", "mayfly-doctor", mf_timeout_end(ANSWER_MS), err);
        if (r == 0)
                r = mf_bus_check_machined(bus, err);
        mf_bus_close(bus);
        return r;
}

void mf_probe_machined(const struct mf_host *host, struct mf_host_finding *ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) host;
        if (ask_machined(&err) == 0) {
                mf_host_ok(ret, "D-Bus, systemd and machined answer");
                return;
        }
        mf_host_missing(ret, err.code, "%.700s", err.message);
        mf_host_remedy(ret, "on Debian: apt-get install dbus systemd-container, then systemctl start dbus "
                            "systemd-machined; or choose the engine \"direct\" (MAYFLY_ENGINE=direct)");
}

/* Connects to a socket of the user's runtime directory. Returns 0 or negative errno. */
static int try_socket(const char *directory, const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
        if (fd < 0 || n < 0 || (size_t) n >= sizeof(address.sun_path))
                return fd < 0 ? -errno : -ENAMETOOLONG;
        return connect(fd, (const struct sockaddr *) (const void *) &address, sizeof(address)) < 0 ? -errno : 0;
}

void mf_probe_user_manager(const struct mf_host *host, struct mf_host_finding *ret)
{
        const char *given = secure_getenv("XDG_RUNTIME_DIR");
        char directory[256];

        (void) host;
        if (given && *given)
                snprintf(directory, sizeof(directory), "%s", given);
        else
                snprintf(directory, sizeof(directory), "/run/user/%u", (unsigned) geteuid());
        int r = try_socket(directory, "systemd/private");
        const char *what = "systemd";
        if (r == 0) {
                r = try_socket(directory, "bus");
                what = "D-Bus";
        }
        if (r == 0) {
                mf_host_ok(ret, "the user's systemd and D-Bus answer in %s", directory);
                return;
        }
        mf_host_warning(ret, "the user's %s does not answer in %s: %s; containers run without it, and without limits",
                        what, directory, strerrordesc_np(-r));
        mf_host_remedy(
                ret,
                mf_bus_booted()
                        ? "if tests want limits: sudo apt-get install dbus-user-session, sudo loginctl enable-linger "
                          "%u, and export XDG_RUNTIME_DIR=/run/user/%u"
                        : "if tests want limits, use a host with systemd as PID 1",
                (unsigned) geteuid(), (unsigned) geteuid());
}
