/* SPDX-License-Identifier: MIT */
#ifndef MF_BUS_INTERNAL_H
#define MF_BUS_INTERNAL_H

/* Shared by bus.c, bus-connect.c, bus-limits.c and bus-list.c, the only users of libsystemd. */

#include <systemd/sd-bus.h>

#include <mayfly/error.h>

struct mf_bus;

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define MANAGER SYSTEMD ".Manager"
#define MACHINED "org.freedesktop.machine1"
#define MACHINED_PATH "/org/freedesktop/machine1"
#define MACHINED_MANAGER MACHINED ".Manager"
#define MACHINED_UNIT "systemd-machined.service"

/* Connects to the system bus or, with `is_users`, to the bus of the user's systemd. */
int mf_bus_connect(sd_bus **ret, int is_users, struct mayfly_error *err);
/* Whether a call of machined gets an answer, from the machined that is there or from one that the call starts. Returns 0 where
 * machined runs without its name, as for a while after a restart of D-Bus: D-Bus then asks systemd for a start, systemd has
 * nothing to start, and a call waits until its timeout. */
int mf_bus_reaches_machined(sd_bus *bus);
/* Gives the connection, which is made if there is none, and the unit's name. */
int mf_bus_get(struct mf_bus *bus, sd_bus **ret, const char **ret_unit, struct mayfly_error *err);
/* Sets an error that says which call failed with what object, and why. Returns r. */
int mf_bus_error(struct mayfly_error *err, int r, const sd_bus_error *error, const char *what, const char *object);

#endif
