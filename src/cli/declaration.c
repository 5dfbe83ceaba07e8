/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/declaration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/compose.h"
#include "cli/declaration-keys.h"
#include "cli/named.h"
#include "ready/order.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/nearest.h"
#include "util/strv.h"

/* Says that a name is none of those that there are. */
static int no_such(const struct reader *reader, const struct place *place, const char *what, const char *name,
                   const char *const *names)
{
        char meant[MF_MEANT_MAX];

        return reader_bad(reader, place, "there is no %s \"%s\"%s", what, name,
                          mf_meant(name, names, MF_MOST_EDITS, " in this declaration", meant));
}

/* The names of all containers, NULL-terminated. */
static const char *const *names_of(const struct reader *reader, const struct declaration *declaration)
{
        const char **names = reader_memory(reader, declaration->n + 1, sizeof(*names));

        for (size_t i = 0; i < declaration->n; i++)
                names[i] = declaration->containers[i].name;
        return names;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static int take_containers(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        struct declaration *declaration = to;
        const char *name;
        json_t *member;

        if (!json_is_object(value))
                return reader_not_a(reader, place, value, "an object of names and containers");
        declaration->containers = reader_memory(reader, json_object_size(value) + 1, sizeof(struct declared));
        json_object_foreach(value, name, member) {
                const struct place inner = { .above = place, .name = name };
                struct declared *declared = &declaration->containers[declaration->n];
                const char *fault = tool_name_fault(name);
                if (fault)
                        return reader_bad(reader, &inner, "\"%s\" is no name of a container; %s", name, fault);
                declared->name = mf_arena_string(reader->memory, name);
                int r = declaration_take_container(reader, &inner, member, declared);
                if (r < 0)
                        return r;
                declaration->n++;
        }
        return declaration->n ? 0 : reader_bad(reader, place, "it has no container");
}

static const struct reader_key keys[] = {
        { .name = "networks", .take = reader_texts, .at = offsetof(struct declaration, networks) },
        { .name = "containers", .take = take_containers, .is_required = 1 },
        { .name = NULL },
};

/* Whether the networks that a container is on are networks of this declaration. */
static int check_networks(const struct reader *reader, const struct place *all, const struct declaration *declaration,
                          const struct declared *declared)
{
        static const char *const none[] = { NULL };
        const char *const *networks = declaration->networks ? declaration->networks : none;
        const struct place container = { .above = all, .name = declared->name };
        const struct place on = { .above = &container, .name = "networks" };

        for (size_t i = 0; declared->networks && declared->networks[i]; i++)
                if (!mf_strv_has(networks, declared->networks[i]))
                        return no_such(reader, &on, "network", declared->networks[i], networks);
        return 0;
}

static int check_after(const struct reader *reader, const struct place *all, const struct declaration *declaration,
                       const struct declared *declared)
{
        const struct place container = { .above = all, .name = declared->name };
        const struct place after = { .above = &container, .name = "after" };
        const char *const *names = names_of(reader, declaration);
        char *list = mf_arena_string(reader->memory, declared->spec.after), *rest = list;

        for (const char *name; list && (name = strsep(&rest, ","));)
                if (!mf_strv_has(names, name))
                        return no_such(reader, &after, "container", name, names);
        return 0;
}

/* Whether another port before this one, of the same container or of one before it, has the same number of the host. */
static int check_port(const struct reader *reader, const struct place *publish, const struct declaration *declaration,
                      size_t which, const struct mayfly_publish *port)
{
        for (size_t i = 0; port->host_port && i <= which; i++)
                for (const struct mayfly_publish *other = declaration->containers[i].spec.publish;
                     other && other[1].size && &other[1] != port; other++)
                        if (other[1].host_port == port->host_port && strcmp(other[1].protocol, port->protocol) == 0)
                                return reader_bad(reader, publish,
                                                  "port %u/%s of the host is that of %s \"%s\", too; give another "
                                                  "number, or leave it out",
                                                  port->host_port, port->protocol,
                                                  i == which ? "another port of container" : "container",
                                                  declaration->containers[i].name);
        return 0;
}

static int check_ports(const struct reader *reader, const struct place *all, const struct declaration *declaration,
                       size_t which)
{
        const struct place container = { .above = all, .name = declaration->containers[which].name };
        const struct place publish = { .above = &container, .name = "publish" };
        const struct mayfly_publish *port = declaration->containers[which].spec.publish;
        int r = 0;

        for (; r == 0 && port && port[1].size; port++)
                r = check_port(reader, &publish, declaration, which, &port[1]);
        return r;
}

static int check(const struct reader *reader, const struct place *whole, const struct declaration *declaration)
{
        const struct place all = { .above = whole, .name = "containers" };
        int r = 0;

        for (size_t i = 0; r == 0 && i < declaration->n; i++) {
                r = check_networks(reader, &all, declaration, &declaration->containers[i]);
                if (r == 0)
                        r = check_after(reader, &all, declaration, &declaration->containers[i]);
                if (r == 0)
                        r = check_ports(reader, &all, declaration, i);
        }
        return r;
}

/* Puts a declaration in the place of a document of compose. */
static int translate(const struct reader *reader, json_t **document)
{
        json_t *translated = NULL;

        int r = compose_translate(reader, *document, &translated);
        if (r == -ENOMEM)
                (void) mf_error_oom(reader->err, MAYFLY_STAGE_SPEC);
        if (r < 0)
                return r;
        json_decref(*document);
        *document = translated;
        return 0;
}

int declaration_read(const char *file, struct declaration *ret, struct mayfly_error *err)
{
        struct reader reader = { .memory = &ret->memory, .file = file, .err = err };
        mf_cleanup(json_decrefp) json_t *root = NULL;
        const struct place whole = { 0 };
        const char *slash = strrchr(file, '/');

        if (slash) {
                char *directory = mf_arena_string(&ret->memory, file);
                if (!directory)
                        return mf_error_oom(err, MAYFLY_STAGE_SPEC);
                directory[slash - file + 1] = '\0';
                reader.directory = directory;
        }
        int r = reader_load(&reader, &root);
        if (r == 0 && compose_is(root))
                r = translate(&reader, &root);
        if (r == 0)
                r = reader_object(&reader, &whole, root, keys, ret);
        if (r == 0)
                r = check(&reader, &whole, ret);
        return r == 0 && ret->memory.failed ? mf_error_oom(err, MAYFLY_STAGE_SPEC) : r;
}

void declaration_clear(struct declaration *declaration)
{
        mf_arena_clear(&declaration->memory);
        *declaration = (struct declaration){ 0 };
}

/* --- choosing --------------------------------------------------------------------------------------------------- */

/* Returns the index of the container of this name; the number of containers for none. */
static size_t find(const struct declaration *declaration, const char *name)
{
        size_t i = 0;

        while (i < declaration->n && strcmp(declaration->containers[i].name, name) != 0)
                i++;
        return i;
}

/* Marks a container, and all that it comes after. */
static void mark(const struct declaration *declaration, char *marks, size_t which) /* NOLINT(misc-no-recursion) */
{
        if (marks[which])
                return;
        marks[which] = 1;
        for (size_t i = 0; i < declaration->n; i++)
                if (mf_after_has(declaration->containers[which].spec.after, declaration->containers[i].name))
                        mark(declaration, marks, i);
}

int declaration_choose(struct declaration *declaration, const char *const *names, struct mayfly_error *err)
{
        const struct reader reader = { .memory = &declaration->memory, .err = err };
        char *marks = reader_memory(&reader, declaration->n + 1, 1), meant[MF_MEANT_MAX];
        size_t n = 0;

        if (!names || !*names)
                return 0;
        for (; *names; names++) {
                size_t which = find(declaration, *names);
                if (which == declaration->n)
                        return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                                        "there is no container \"%s\" in the declaration%s", *names,
                                        mf_meant(*names, names_of(&reader, declaration), MF_MOST_EDITS, "", meant));
                mark(declaration, marks, which);
        }
        for (size_t i = 0; i < declaration->n; i++)
                if (marks[i])
                        declaration->containers[n++] = declaration->containers[i];
        declaration->n = n;
        return 0;
}
