/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/test.h"
#include "util/macro.h"

/* The environment variables that tell a test where its containers are. */

/* "MAYFLY_", the name, "_" and the rest, with "_" for what cannot be in the name of a variable; allocated. */
static char *variable(const char *name, const char *rest)
{
        char *text = NULL;

        if (asprintf(&text, "MAYFLY_%s_%s", name, rest) < 0)
                tool_oom();
        for (char *c = text; *c; c++)
                *c = isalnum((unsigned char) *c) ? (char) toupper((unsigned char) *c) : '_';
        return text;
}

static void set(const char *name, const char *rest, const char *value)
{
        mf_cleanup(mf_freep) char *key = variable(name, rest);

        if (setenv(key, value, 1) < 0)
                tool_oom();
}

/* The variables of one port; with `is_first` also those that name no port. */
static int set_port(const char *name, json_t *port, int is_first)
{
        const char *number, *address, *host;
        char text[16], rest[64];
        int host_port;

        if (json_unpack(port, "{s:s, s:s, s:s, s:i}", "port", &number, "address", &address, "host", &host, "host_port",
                        &host_port) < 0)
                return -1;
        snprintf(text, sizeof(text), "%d", host_port);
        snprintf(rest, sizeof(rest), "%.40s_ADDRESS", number);
        set(name, rest, address);
        snprintf(rest, sizeof(rest), "%.40s_PORT", number);
        set(name, rest, text);
        if (is_first) {
                set(name, "ADDRESS", address);
                set(name, "HOST", host);
                set(name, "PORT", text);
        }
        return 0;
}

int tool_test_set(const char *name, const char *file)
{
        json_error_t error;
        json_t *state = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
        json_t *ports = json_object_get(state, "ports"), *port;
        int r = json_is_array(ports) ? 0 : -1;
        size_t i;

        json_array_foreach(ports, i, port)
                if (r == 0)
                        r = set_port(name, port, i == 0);
        json_decref(state);
        if (r < 0)
                return tool_fail("the state file \"%s\" of the container %s has no list of ports: %s", file, name,
                                 state ? "another version of mayfly may have written it" : error.text);
        set(name, "STATE", file);
        return TOOL_OK;
}
