/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aci/manifest-app.h"
#include "aci/manifest-json.h"
#include "model/capabilities.h"
#include "model/quantity.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

/* The isolators that appc knows. A wrong value is an error even where mayfly ignores the isolator. */

/* Appends a phrase to *text, which says what was changed. Returns 0 or -ENOMEM. */
static int append(char **text, const char *what, const char *why)
{
        char *longer = NULL;

        if (asprintf(&longer, "%s%s%s%s", *text ? *text : "", *text ? "; " : "", what, why) < 0)
                return -ENOMEM;
        free(*text);
        *text = longer;
        return 0;
}

/* Reads the member "set", which must not be empty. *ret is for mf_strv_free() in any case. Returns 0 or negative errno. */
static int get_set(json_t *value, const char *at, char ***ret, struct mayfly_error *err)
{
        json_t *list = NULL;
        char path[160];

        snprintf(path, sizeof(path), "%s.set", at);
        int r = mf_json_check_object(value, at, err);
        if (r == 0)
                r = mf_json_list(value, "set", path, &list, err);
        if (r == 0 && json_array_size(list) == 0)
                r = mf_json_bad(err, path, "is missing or empty");
        return r == 0 ? mf_json_strings(list, path, ret, err) : r;
}

static int get_capabilities(json_t *value, const char *at, int retain, struct mf_isolation *isolation,
                            struct mayfly_error *err)
{
        char **set = NULL;
        uint64_t bits = 0;

        if (isolation->has_capabilities)
                return mf_json_bad(err, at,
                                   "comes after another capabilities isolator; there may be one, either "
                                   "capabilities-retain-set or capabilities-remove-set");
        int r = get_set(value, at, &set, err);
        for (size_t i = 0; r == 0 && set[i]; i++) {
                uint64_t bit = mf_capability_find(set[i]);
                if (!bit)
                        r = mf_json_bad(
                                err, at,
                                "has \"%.60s\" in its set, which is not a capability; write one such as CAP_CHOWN",
                                set[i]);
                bits |= bit;
        }
        mf_strv_free(set);
        if (r < 0)
                return r;
        isolation->has_capabilities = 1;
        isolation->capabilities = retain ? bits : mf_capabilities_default & ~bits;
        return 0;
}

static int get_retained_capabilities(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                                     struct mayfly_error *err)
{
        (void) detail;
        return get_capabilities(value, at, 1, isolation, err);
}

static int get_removed_capabilities(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                                    struct mayfly_error *err)
{
        (void) detail;
        return get_capabilities(value, at, 0, isolation, err);
}

/* Returns the error number with that name, or 0 when there is none. */
static int find_errno(const char *name)
{
        static const struct {
                const char *name;
                int number;
        } others[] = { { "EDEADLOCK", EDEADLOCK }, { "ENOTSUP", ENOTSUP }, { "EWOULDBLOCK", EWOULDBLOCK } };

        for (int number = 1; number < 4096; number++) {
                const char *known = strerrorname_np(number);
                if (known && strcmp(known, name) == 0)
                        return number;
        }
        /* Second names: strerrorname_np(3) knows only one for each number. */
        for (size_t i = 0; i < MF_ELEMENTSOF(others); i++)
                if (strcmp(others[i].name, name) == 0)
                        return others[i].number;
        return 0;
}

/* Reads the member "errno". The specification's own example has the misspelt EACCESS, so an unknown name is not an error.
 * Returns 0 or negative errno. */
static int get_errno(json_t *value, const char *at, int *ret, char **detail, struct mayfly_error *err)
{
        const char *name = NULL;
        int r = mf_json_string(value, at, "errno", 0, &name, err);

        *ret = 0;
        if (r < 0 || !name || !*name)
                return r;
        if (name[0] != 'E' || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != strlen(name))
                return mf_json_bad(
                        err, at, "has the errno \"%.60s\", which is not an error name; write one such as EPERM", name);
        *ret = find_errno(name);
        if (*ret == 0) {
                *ret = EPERM;
                if (append(detail, name, " is not known: blocked calls return EPERM") < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        return 0;
}

/* Sets *ret to whether the set has the wildcard. Any other name with an "@" stands for a set that mayfly does not know, and
 * is an error. */
static int get_wildcard(char **set, const char *wildcard, const char *at, int *ret, struct mayfly_error *err)
{
        *ret = 0;
        for (; *set; set++)
                if (strcmp(*set, wildcard) == 0)
                        *ret = 1;
                else if (**set == '@')
                        return mf_json_bad(err, at, "has \"%.60s\" in its set; the only name with an @ is \"%s\"", *set,
                                           wildcard);
        return 0;
}

static int get_syscalls(json_t *value, const char *at, enum mf_syscalls mode, struct mf_isolation *isolation,
                        char **detail, struct mayfly_error *err)
{
        int all = 0;

        if (isolation->syscalls)
                return mf_json_bad(err, at,
                                   "comes after another seccomp isolator; there may be one, either "
                                   "seccomp-retain-set or seccomp-remove-set");
        int r = get_set(value, at, &isolation->syscalls, err);
        if (r == 0)
                r = get_errno(value, at, &isolation->syscalls_errno, detail, err);
        if (r == 0)
                r = get_wildcard(isolation->syscalls, mode == MF_SYSCALLS_RETAIN ? "@appc.io/all" : "@appc.io/empty",
                                 at, &all, err);
        isolation->syscalls_mode = all ? MF_SYSCALLS_ALL : mode;
        return r;
}

static int get_retained_syscalls(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                                 struct mayfly_error *err)
{
        int r = get_syscalls(value, at, MF_SYSCALLS_RETAIN, isolation, detail, err);

        return r == 0 && append(detail, "the calls that mayfly blocks in every container, such as mount and reboot,",
                                " stay blocked") < 0
                       ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST)
                       : r;
}

static int get_removed_syscalls(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                                struct mayfly_error *err)
{
        return get_syscalls(value, at, MF_SYSCALLS_REMOVE, isolation, detail, err);
}

static int get_no_new_privs(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                            struct mayfly_error *err)
{
        (void) detail;
        if (!json_is_boolean(value))
                return mf_json_bad(err, at, "must be true or false");
        isolation->no_new_privs |= json_is_true(value);
        return 0;
}

static int get_number(json_t *value, const char *at, json_int_t min, json_int_t max, json_int_t *ret,
                      struct mayfly_error *err)
{
        if (!json_is_integer(value))
                return mf_json_bad(err, at, "must be a whole number");
        *ret = json_integer_value(value);
        if (*ret < min || *ret > max)
                return mf_json_bad(err, at,
                                   "is %" JSON_INTEGER_FORMAT ", outside %" JSON_INTEGER_FORMAT
                                   " to %" JSON_INTEGER_FORMAT,
                                   *ret, min, max);
        return 0;
}

static int get_oom_score_adj(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                             struct mayfly_error *err)
{
        json_int_t number = 0;
        int r = get_number(value, at, -1000, 1000, &number, err);

        (void) detail;
        isolation->has_oom_score_adj = 1;
        isolation->oom_score_adj = (int) number;
        return r;
}

static int get_cpu_shares(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                          struct mayfly_error *err)
{
        json_int_t number = 0;
        int r = get_number(value, at, 2, 262144, &number, err);

        (void) detail;
        isolation->cpu_shares = (unsigned) number;
        return r;
}

/* Reads a quantity, which may be a string or a number; 0 when it is absent. Returns 0 or negative errno. */
static int get_quantity(json_t *value, const char *at, const char *key, int decimals, uint64_t *ret,
                        struct mayfly_error *err)
{
        json_t *quantity = mf_json_member(value, key);
        char path[160];

        *ret = 0;
        if (!quantity)
                return 0;
        snprintf(path, sizeof(path), "%s.%s", at, key);
        mf_cleanup(mf_freep) char *dumped = json_is_number(quantity) ? json_dumps(quantity, JSON_ENCODE_ANY) : NULL;
        const char *text = dumped ? dumped : json_string_value(quantity);
        if (!text)
                return mf_json_bad(err, path, "must be a quantity such as \"500m\" or \"1Gi\"");
        int r = mf_quantity_parse(text, decimals, ret);
        if (r == -ERANGE)
                return mf_json_bad(err, path, "is \"%.60s\", below zero", text);
        if (r < 0)
                return mf_json_bad(
                        err, path,
                        "is \"%.60s\", which is not a quantity; write a number, if need be with one of n u m k M G "
                        "T P E, Ki Mi Gi Ti Pi Ei, or e and a power of ten",
                        text);
        return 0;
}

/* Reads the value of any resource isolator. The member "default" must be `by_default`. Returns 0 or negative errno. */
static int get_resource(json_t *value, const char *at, int by_default, int decimals, uint64_t *limit, uint64_t *request,
                        struct mayfly_error *err)
{
        int flag = 0;
        int r = mf_json_check_object(value, at, err);

        if (r == 0)
                r = mf_json_flag(value, at, "default", &flag, err);
        if (r == 0 && flag != by_default)
                r = by_default ? mf_json_bad(err, at, "must have a \"default\" of true")
                               : mf_json_bad(err, at, "has a \"default\", which this resource does not have");
        if (r == 0)
                r = get_quantity(value, at, "limit", decimals, limit, err);
        if (r == 0)
                r = get_quantity(value, at, "request", decimals, request, err);
        if (r == 0 && by_default && mf_json_member(value, "request"))
                r = mf_json_bad(err, at, "has a request, which this resource does not have");
        return r;
}

static int get_memory(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                      struct mayfly_error *err)
{
        (void) detail;
        int r = get_resource(value, at, 0, 0, &isolation->memory_max, &isolation->memory_low, err);

        if (r == 0 && isolation->memory_max && isolation->memory_low > isolation->memory_max)
                r = mf_json_bad(err, at, "requests %" PRIu64 " bytes, over its limit of %" PRIu64,
                                isolation->memory_low, isolation->memory_max);
        return r;
}

static int get_cpu(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                   struct mayfly_error *err)
{
        uint64_t request = 0;
        int r = get_resource(value, at, 0, 3, &isolation->cpu_max, &request, err);

        if (r == 0 && request > 0 && append(detail, "its request", " is not reserved") < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        return r;
}

/* --- isolators that are checked, but not enforced */

static int check_bandwidth(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                           struct mayfly_error *err)
{
        uint64_t limit, request;

        (void) isolation;
        (void) detail;
        return get_resource(value, at, 1, 0, &limit, &request, err);
}

static int check_selinux(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                         struct mayfly_error *err)
{
        static const char *const keys[] = { "user", "role", "type", "level" };
        int r = mf_json_check_object(value, at, err);

        (void) isolation;
        (void) detail;
        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(keys); i++) {
                const char *text = NULL;
                r = mf_json_string(value, at, keys[i], 1, &text, err);
                if (r == 0 && (!*text || (i < 3 && strchr(text, ':'))))
                        r = mf_json_bad(err, at, "has the %s \"%.60s\", which is empty or has a colon", keys[i], text);
        }
        return r;
}

static int check_sysctl(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                        struct mayfly_error *err)
{
        int r = mf_json_check_object(value, at, err);

        (void) isolation;
        (void) detail;
        for (void *i = r == 0 ? json_object_iter(value) : NULL; i; i = json_object_iter_next(value, i))
                if (!json_is_string(json_object_iter_value(i)))
                        return mf_json_bad(err, at, "has a value for \"%.60s\" that is not a string",
                                           json_object_iter_key(i));
        return r;
}

static const struct known {
        const char *name;
        enum mf_isolator_kind kind;
        const char *ignored; /* why mayfly ignores it; NULL when it does not */
        int (*get)(json_t *value, const char *at, struct mf_isolation *isolation, char **detail,
                   struct mayfly_error *err);
} known[] = {
        { "os/linux/capabilities-remove-set", MF_ISOLATOR_CAPABILITIES_REMOVE, NULL, get_removed_capabilities },
        { "os/linux/capabilities-retain-set", MF_ISOLATOR_CAPABILITIES_RETAIN, NULL, get_retained_capabilities },
        { "os/linux/cpu-shares", MF_ISOLATOR_CPU_SHARES, NULL, get_cpu_shares },
        { "os/linux/no-new-privileges", MF_ISOLATOR_NO_NEW_PRIVS, NULL, get_no_new_privs },
        { "os/linux/oom-score-adj", MF_ISOLATOR_OOM_SCORE_ADJ, NULL, get_oom_score_adj },
        { "os/linux/seccomp-remove-set", MF_ISOLATOR_SYSCALLS_REMOVE, NULL, get_removed_syscalls },
        { "os/linux/seccomp-retain-set", MF_ISOLATOR_SYSCALLS_RETAIN, NULL, get_retained_syscalls },
        { "os/linux/selinux-context", MF_ISOLATOR_SELINUX_CONTEXT, "mayfly labels nothing", check_selinux },
        { "os/unix/sysctl", MF_ISOLATOR_SYSCTL, "the kernel's parameters are read-only in the container",
          check_sysctl },
        { "resource/block-bandwidth", MF_ISOLATOR_BLOCK_BANDWIDTH, "a container's files are in memory",
          check_bandwidth },
        { "resource/block-iops", MF_ISOLATOR_BLOCK_IOPS, "a container's files are in memory", check_bandwidth },
        { "resource/cpu", MF_ISOLATOR_CPU, NULL, get_cpu },
        { "resource/memory", MF_ISOLATOR_MEMORY, NULL, get_memory },
        { "resource/network-bandwidth", MF_ISOLATOR_NETWORK_BANDWIDTH, "mayfly shapes no traffic", check_bandwidth },
};

static const struct known *find_known(const char *name)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(known); i++)
                if (strcmp(known[i].name, name) == 0)
                        return &known[i];
        return NULL;
}

int mf_is_isolator(const char *name)
{
        return find_known(name) != NULL;
}

int mf_manifest_isolator(json_t *value, const char *at, const char *name, struct mf_isolation *isolation,
                         struct mayfly_error *err)
{
        static const struct known unknown = { .kind = MF_ISOLATOR_UNKNOWN, .ignored = "mayfly does not know it" };
        const struct known *found = find_known(name), *what = found ? found : &unknown;
        mf_cleanup(mf_freep) char *changed = NULL;

        if (found && mf_isolators_has(&isolation->isolators, found->kind))
                return mf_json_bad(err, at, "is the value of a second %s; there may be one", name);
        int r = found ? found->get(value, at, isolation, &changed, err) : 0;
        if (r < 0)
                return r;
        enum mayfly_isolator_outcome outcome = what->ignored ? MAYFLY_ISOLATOR_IGNORED
                                               : changed     ? MAYFLY_ISOLATOR_CHANGED
                                                             : MAYFLY_ISOLATOR_ENFORCED;
        r = mf_isolators_add(&isolation->isolators, what->kind, name, outcome, what->ignored ? what->ignored : changed);
        return r < 0 ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST) : 0;
}
