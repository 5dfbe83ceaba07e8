/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/bus-internal.h"
#include "engine/bus.h"

/* Everything on the bus, for `mayfly leak-check`. */

typedef int (*list_callback)(const char *kind, const char *name, const char *description, void *userdata);

static int list_units(sd_bus *bus, list_callback callback, void *userdata, sd_bus_error *error)
{
        const char *name, *description, *load, *active, *sub;
        sd_bus_message *m = NULL;
        char text[512];

        int r = sd_bus_call_method(bus, SYSTEMD, SYSTEMD_PATH, MANAGER, "ListUnits", error, &m, NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ssssssouso)", &name, &description, &load, &active, &sub, NULL,
                                                  NULL, NULL, NULL, NULL)) > 0) {
                snprintf(text, sizeof(text), "%s (%s, %s): %s", name, active, sub, description);
                r = callback("unit", name, text, userdata);
        }
        sd_bus_message_unref(m);
        return r;
}

static int list_machines(sd_bus *bus, list_callback callback, void *userdata, sd_bus_error *error)
{
        const char *name, *class, *service;
        sd_bus_message *m = NULL;
        char text[512];

        if (!mf_bus_reaches_machined(bus))
                return 0;
        int r = sd_bus_call_method(bus, MACHINED, MACHINED_PATH, MACHINED_MANAGER, "ListMachines", error, &m, NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ssso)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ssso)", &name, &class, &service, NULL)) > 0) {
                snprintf(text, sizeof(text), "%s (%s of %s)", name, class, service);
                if (strcmp(class, "host") != 0)
                        r = callback("machine", name, text, userdata);
        }
        sd_bus_message_unref(m);
        if (!sd_bus_error_is_set(error))
                return r;
        sd_bus_error_free(error); /* no machined, no machines */
        return 0;
}

static int list_connections(sd_bus *bus, list_callback callback, void *userdata)
{
        const char *own = NULL;
        char **names = NULL;
        int r = sd_bus_get_unique_name(bus, &own);

        if (r >= 0)
                r = sd_bus_list_names(bus, &names, NULL);
        for (char **name = names; name && *name; name++) {
                sd_bus_creds *creds = NULL;
                const char *process = "?";
                pid_t pid = 0;
                char text[128];
                if (r >= 0 && **name == ':' && strcmp(*name, own) != 0 &&
                    sd_bus_get_name_creds(bus, *name, SD_BUS_CREDS_PID | SD_BUS_CREDS_COMM | SD_BUS_CREDS_AUGMENT,
                                          &creds) >= 0) {
                        (void) sd_bus_creds_get_pid(creds, &pid);
                        (void) sd_bus_creds_get_comm(creds, &process);
                        snprintf(text, sizeof(text), "%s of process %d (%s)", *name, (int) pid, process);
                        r = callback("bus", *name, text, userdata);
                }
                sd_bus_creds_unref(creds);
                free(*name);
        }
        free(names);
        return r;
}

int mf_bus_list(list_callback callback, void *userdata, struct mayfly_error *err)
{
        sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        int r = mf_bus_connect(&bus, 0, err);
        if (r >= 0)
                r = list_connections(bus, callback, userdata);
        if (r >= 0)
                r = list_machines(bus, callback, userdata, &error);
        if (r >= 0)
                r = list_units(bus, callback, userdata, &error);
        if (r < 0)
                mf_bus_error(err, r, &error, "listing", "units and machines");
        sd_bus_error_free(&error);
        sd_bus_close_unref(bus);
        return r < 0 ? r : 0;
}
