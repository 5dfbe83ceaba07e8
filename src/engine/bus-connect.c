/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "engine/bus-internal.h"
#include "engine/bus.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/timeout.h"

/* The longest wait for an answer of a connection, unless a call has another: after it the other side counts as absent. */
#define TIMEOUT_MS 10000U

/* Which bus: the system's or, for an ordinary user, the one of the user's own systemd. */

int mf_bus_booted(void)
{
        return sd_booted() > 0;
}

/* The user's runtime directory, allocated: pam_systemd(8) sets XDG_RUNTIME_DIR in a login session, and only there. */
static char *runtime_path(const char *name)
{
        const char *directory = secure_getenv("XDG_RUNTIME_DIR");
        char *path = NULL;

        int n = directory && *directory == '/' ? asprintf(&path, "%s/%s", directory, name)
                                               : asprintf(&path, "/run/user/%u/%s", (unsigned) geteuid(), name);
        return n < 0 ? NULL : path;
}

int mf_bus_has_user_manager(void)
{
        mf_cleanup(mf_freep) char *bus = runtime_path("bus");
        mf_cleanup(mf_freep) char *manager = runtime_path("systemd/private");

        /* A bus alone may be one without systemd, as in dbus-run-session(1). */
        return mf_bus_booted() && bus && manager && access(bus, W_OK) == 0 && access(manager, W_OK) == 0;
}

/* sd_bus_open_user(3) would prefer DBUS_SESSION_BUS_ADDRESS, where there may be no systemd. */
static int open_users(sd_bus **ret)
{
        mf_cleanup(mf_freep) char *path = runtime_path("bus");
        mf_cleanup(mf_freep) char *address = malloc(path ? 3 * strlen(path) + 16 : 1);
        size_t n = 0;
        sd_bus *bus;

        if (!path || !address)
                return -ENOMEM;
        n = (size_t) sprintf(address, "unix:path=");
        for (const char *p = path; *p; p++) /* D-Bus specification, "Server Addresses" */
                n += (size_t) (strchr("-_/.\\*", *p) || isalnum((unsigned char) *p)
                                       ? sprintf(address + n, "%c", *p)
                                       : sprintf(address + n, "%%%02x", (unsigned char) *p));
        int r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                sd_bus_unref(bus);
        else
                *ret = bus;
        return r;
}

int mf_bus_connect(sd_bus **ret, int is_users, struct mayfly_error *err)
{
        int r = is_users ? open_users(ret) : sd_bus_open_system(ret);

        if (r < 0 && is_users)
                return mf_error_errno(err, r, MAYFLY_STAGE_BUS,
                                      "connecting to the bus of the user's systemd; is it running (systemctl --user "
                                      "status dbus)?");
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_BUS,
                                      "connecting to the system bus; is dbus running (systemctl status dbus)?");
        (void) sd_bus_set_method_call_timeout(*ret, mf_timeout_ms(TIMEOUT_MS) * UINT64_C(1000));
        return 0;
}
