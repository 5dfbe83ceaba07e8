/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "engine/bus-internal.h"
#include "engine/bus.h"
#include "util/error.h"

/* Limits of a unit that runs. */

static int append_limits(sd_bus_message *m, uint64_t memory_max, uint64_t tasks_max)
{
        /* Without swap: a limit that the host's swap space makes larger is none. */
        uint64_t swap_max = memory_max == UINT64_MAX ? UINT64_MAX : 0;

        int r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0 && memory_max)
                r = sd_bus_message_append(m, "(sv)(sv)", "MemoryMax", "t", memory_max, "MemorySwapMax", "t", swap_max);
        if (r >= 0 && tasks_max)
                r = sd_bus_message_append(m, "(sv)", "TasksMax", "t", tasks_max);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int mf_bus_set_limits(struct mf_bus *bus, uint64_t memory_max, uint64_t tasks_max, struct mayfly_error *err)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL;
        const char *unit;
        sd_bus *connection;

        int r = mf_bus_get(bus, &connection, &unit, err);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(connection, &m, SYSTEMD, SYSTEMD_PATH, MANAGER, "SetUnitProperties");
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", unit, 1 /* until the unit ends */);
        if (r >= 0)
                r = append_limits(m, memory_max, tasks_max);
        if (r >= 0)
                r = sd_bus_call(connection, m, 0, &error, NULL);
        if (r < 0)
                mf_bus_error(err, r, &error, "SetUnitProperties", unit);
        sd_bus_error_free(&error);
        sd_bus_message_unref(m);
        return r < 0 ? r : 0;
}
