/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "engine/bus.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/bus-internal.h"
#include "engine/turns.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

/* How often to ask when no signal will come, in ms. */
#define RETRY_MS 50
/* Containers are registered while the bus has no more connections than this. Each registered container keeps one, dbus-daemon
 * allows 256 for root, and other programs and our own turns need some. */
#define CONNECTIONS_MAX 160
/* How long the stop of a container waits for its turn. */
#define WAKE_MS 60000U

struct mf_bus {
        sd_bus *bus;
        char *unit, *machine;
        int is_users; /* of the user's systemd, which has no machined */
        int has_turn, is_resting;
        int started;       /* systemd has accepted the unit */
        int unit_in_doubt; /* systemd sent UnitRemoved, which it also sends when it reloads */
        int unit_removed, machine_seen, machine_removed;
        uint64_t unit_removed_us;    /* when the removal was noticed */
        char job_result[32];         /* of the start, unless it is "done" */
        int start_error;             /* negative errno */
        struct mayfly_error failure; /* the reason, when start_error is set */
};

int mf_bus_error(struct mayfly_error *err, int r, const sd_bus_error *error, const char *what, const char *object)
{
        const char *hint = "";

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(error, SYSTEMD ".NoSuchUnit") || sd_bus_error_has_name(error, SYSTEMD ".UnitMasked"))
                hint = "; is the package systemd-container installed, and systemd-machined.service not masked?";
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED) ||
                 sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                hint = "; run the tests as root";
        return mf_error(err, r, MAYFLY_STAGE_BUS, "%s %s: %s%s", what, object,
                        error && error->message ? error->message : strerrordesc_np(-r), hint);
}

static int on_unit_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct mf_bus *bus = userdata;
        const char *unit;

        (void) error;
        if (sd_bus_message_read(m, "so", &unit, NULL) >= 0 && strcmp(unit, bus->unit) == 0)
                bus->unit_in_doubt = 1;
        return 0;
}

static int on_machine(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct mf_bus *bus = userdata;
        const char *machine;

        (void) error;
        if (sd_bus_message_read(m, "so", &machine, NULL) < 0 || strcmp(machine, bus->machine) != 0)
                return 0;
        if (sd_bus_message_is_signal(m, MACHINED_MANAGER, "MachineNew") > 0)
                bus->machine_seen = 1;
        else
                bus->machine_removed = 1;
        return 0;
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct mf_bus *bus = userdata;
        const char *unit, *result;

        (void) error;
        if (sd_bus_message_read(m, "uoss", NULL, NULL, &unit, &result) < 0 || strcmp(unit, bus->unit) != 0)
                return 0;
        if (strcmp(result, "done") != 0)
                snprintf(bus->job_result, sizeof(bus->job_result), "%s", result);
        return 0;
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        struct mf_bus *bus = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);

        (void) error;
        bus->started = !e;
        if (e && !bus->start_error)
                bus->start_error =
                        mf_bus_error(&bus->failure, -sd_bus_message_get_errno(m), e, "StartTransientUnit", bus->unit);
        return 0;
}

static int subscribe(struct mf_bus *bus)
{
        static const struct {
                const char *sender, *path, *interface, *member;
                sd_bus_message_handler_t handler;
        } signals[] = {
                { SYSTEMD, SYSTEMD_PATH, MANAGER, "UnitRemoved", on_unit_removed },
                { SYSTEMD, SYSTEMD_PATH, MANAGER, "JobRemoved", on_job_removed },
                { MACHINED, MACHINED_PATH, MACHINED_MANAGER, "MachineNew", on_machine },
                { MACHINED, MACHINED_PATH, MACHINED_MANAGER, "MachineRemoved", on_machine },
        };

        /* Nothing waits for the answers: the bus keeps the order of messages, so the matches hold before the unit exists. */
        for (size_t i = 0; i < (bus->is_users ? 2 : MF_ELEMENTSOF(signals)); i++) {
                int r = sd_bus_match_signal_async(bus->bus, NULL, signals[i].sender, signals[i].path,
                                                  signals[i].interface, signals[i].member, signals[i].handler, NULL,
                                                  bus);
                if (r < 0)
                        return r;
        }
        return sd_bus_call_method_async(bus->bus, NULL, SYSTEMD, SYSTEMD_PATH, MANAGER, "Subscribe", NULL, NULL, NULL);
}

int mf_bus_open(struct mf_bus **ret, int is_users, const char *unit, const char *machine, uint64_t deadline_us,
                struct mayfly_error *err)
{
        struct mf_bus *bus = calloc(1, sizeof(*bus));

        if (!bus)
                return mf_error_oom(err, MAYFLY_STAGE_BUS);
        bus->is_users = is_users;
        bus->unit = strdup(unit);
        bus->machine = strdup(machine);
        if (!bus->unit || !bus->machine) {
                mf_bus_close(bus);
                return mf_error_oom(err, MAYFLY_STAGE_BUS);
        }
        int r = mf_turn_take(deadline_us);
        if (r < 0)
                mf_error(err, r, MAYFLY_STAGE_BUS,
                         "%s waited for its turn until start_timeout_ms was over; start fewer containers at once, or "
                         "set a longer start_timeout_ms",
                         unit);
        bus->has_turn = r == 0;
        if (r == 0)
                r = mf_bus_connect(&bus->bus, is_users, err);
        if (r >= 0) {
                r = subscribe(bus);
                if (r < 0)
                        mf_error_errno(err, r, MAYFLY_STAGE_BUS, "subscribing to the signals of systemd and machined");
        }
        if (r < 0) {
                mf_bus_close(bus);
                return r;
        }
        *ret = bus;
        return 0;
}

int mf_bus_check_room(struct mf_bus *bus, struct mayfly_error *err)
{
        char **names = NULL;
        unsigned n = 0;

        int r = sd_bus_list_names(bus->bus, &names, NULL);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_BUS, "asking the system bus for its connections");
        for (char **name = names; name && *name; name++) {
                n += **name == ':';
                free(*name);
        }
        free(names);
        return n <= CONNECTIONS_MAX ? 0
                                    : mf_error(err, -ENOBUFS, MAYFLY_STAGE_BUS,
                                               "the system bus has %u connections, which leaves no room to register %s",
                                               n, bus->machine);
}

/* Appends a word with each "$" doubled: systemd would expand variables. */
static int append_argument(sd_bus_message *m, const char *argument)
{
        mf_cleanup(mf_freep) char *escaped = malloc(2 * strlen(argument) + 1);
        size_t n = 0;

        if (!escaped)
                return -ENOMEM;
        for (const char *p = argument; *p; p++) {
                if (*p == '$')
                        escaped[n++] = '$';
                escaped[n++] = *p;
        }
        escaped[n] = '\0';
        return sd_bus_message_append(m, "s", escaped);
}

static int append_words(sd_bus_message *m, char *const *argv)
{
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (; r >= 0 && *argv; argv++)
                r = append_argument(m, *argv);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Appends the property ExecStart: a list of commands, here of one, each a path, its words, and whether it may fail. */
static int append_command(sd_bus_message *m, char *const *argv)
{
        static const struct {
                char type;
                const char *contents;
        } around[] = { { 'v', "a(sasb)" }, { 'a', "(sasb)" }, { 'r', "sasb" } };

        int r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "ExecStart");
        for (size_t i = 0; r >= 0 && i < MF_ELEMENTSOF(around); i++)
                r = sd_bus_message_open_container(m, around[i].type, around[i].contents);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", argv[0]);
        if (r >= 0)
                r = append_words(m, argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", 0);
        for (size_t i = 0; r >= 0 && i < MF_ELEMENTSOF(around) + 1; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_properties(sd_bus_message *m, const struct mf_bus *bus, const struct mf_bus_unit *unit)
{
        int r = sd_bus_message_open_container(m, 'a', "(sv)");

        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", /* clang-format off */
                                  "Description", "s", bus->machine,
                                  "Type", "s", "exec",
                                  "Delegate", "b", 1,
                                  "KillMode", "s", "mixed",
                                  "CollectMode", "s", "inactive-or-failed",
                                  "TimeoutStopUSec", "t", (uint64_t) unit->stop_timeout_ms * 1000,
                                  "RuntimeMaxUSec", "t", (uint64_t) unit->max_runtime_s * 1000000,
                                  "StandardInputFileDescriptor", "h", unit->stdio[0],
                                  "StandardOutputFileDescriptor", "h", unit->stdio[1],
                                  "StandardErrorFileDescriptor", "h", unit->stdio[2]); /* clang-format on */
        if (r >= 0 && !bus->is_users)
                r = sd_bus_message_append(m, "(sv)", "Slice", "s", "machine.slice");
        if (r >= 0 && unit->limits.memory_max)
                r = sd_bus_message_append(m, "(sv)(sv)", "MemoryMax", "t", unit->limits.memory_max, "MemorySwapMax",
                                          "t", UINT64_C(0));
        if (r >= 0 && unit->limits.memory_low)
                r = sd_bus_message_append(m, "(sv)", "MemoryLow", "t", unit->limits.memory_low);
        if (r >= 0 && unit->limits.cpu_max)
                r = sd_bus_message_append(m, "(sv)", "CPUQuotaPerSecUSec", "t", unit->limits.cpu_max * 1000);
        if (r >= 0 && unit->limits.cpu_weight)
                r = sd_bus_message_append(m, "(sv)", "CPUWeight", "t", unit->limits.cpu_weight);
        if (r >= 0) /* systemd has a default limit: a unit without a limit must say so */
                r = sd_bus_message_append(m, "(sv)", "TasksMax", "t",
                                          unit->limits.tasks_max ? (uint64_t) unit->limits.tasks_max : UINT64_MAX);
        if (r >= 0)
                r = append_command(m, unit->argv);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int mf_bus_start_unit(struct mf_bus *bus, const struct mf_bus_unit *unit, struct mayfly_error *err)
{
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus->bus, &m, SYSTEMD, SYSTEMD_PATH, MANAGER, "StartTransientUnit");

        if (r >= 0)
                r = sd_bus_message_append(m, "ss", bus->unit, "fail");
        if (r >= 0)
                r = append_properties(m, bus, unit);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call_async(bus->bus, NULL, m, on_started, bus, 0);
        if (r >= 0)
                r = sd_bus_flush(bus->bus); /* the caller closes the descriptors after this */
        sd_bus_message_unref(m);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_BUS, "asking systemd to start %s", bus->unit) : 0;
}

/* Returns whether machined must be asked if the machine exists: if machined has ended, no signal says that the machine is gone. */
static int asks_for_machine(const struct mf_bus *bus)
{
        return bus->unit_removed && !mf_bus_gone(bus);
}

int mf_bus_fd(struct mf_bus *bus, short *ret_events, int *ret_timeout_ms)
{
        uint64_t at = UINT64_MAX;
        int events = bus->bus ? sd_bus_get_events(bus->bus) : -ENOTCONN;

        *ret_events = 0;
        *ret_timeout_ms = -1;
        if (bus->is_resting)
                return -1;
        *ret_timeout_ms = events < 0 || asks_for_machine(bus) ? RETRY_MS : -1;
        if (events < 0)
                return -1;
        if (sd_bus_get_timeout(bus->bus, &at) >= 0 && at != UINT64_MAX) {
                uint64_t now = mf_now_us();
                int left = at <= now ? 0 : (int) ((at - now) / 1000 + 1);
                if (*ret_timeout_ms < 0 || left < *ret_timeout_ms)
                        *ret_timeout_ms = left;
        }
        *ret_events = (short) events;
        return sd_bus_get_fd(bus->bus);
}

/* Calls `method` with `name`. Returns 1 if that succeeds, 0 if the answer is the error `absent`, or negative errno. */
static int exists(struct mf_bus *bus, const char *destination, const char *path, const char *interface,
                  const char *method, const char *name, const char *absent, struct mayfly_error *err)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call_method(bus->bus, destination, path, interface, method, &error, NULL, "s", name);

        if (r < 0 && sd_bus_error_has_name(&error, absent))
                r = 0;
        else if (r < 0)
                mf_bus_error(err, r, &error, method, name);
        else
                r = 1;
        sd_bus_error_free(&error);
        return r;
}

static int unit_exists(struct mf_bus *bus, struct mayfly_error *err)
{
        return exists(bus, SYSTEMD, SYSTEMD_PATH, MANAGER, "GetUnit", bus->unit, SYSTEMD ".NoSuchUnit", err);
}

static int has_machined(sd_bus *bus)
{
        return sd_bus_get_name_creds(bus, MACHINED, 0, NULL) >= 0;
}

int mf_bus_reaches_machined(sd_bus *bus)
{
        mf_cleanup(mf_freep) char *path = NULL, *state = NULL;

        if (has_machined(bus))
                return 1;
        if (sd_bus_path_encode(SYSTEMD_PATH "/unit", MACHINED_UNIT, &path) < 0 ||
            sd_bus_get_property_string(bus, SYSTEMD, path, SYSTEMD ".Unit", "ActiveState", NULL, &state) < 0)
                return 1;
        return strcmp(state, "active") != 0 ||
               has_machined(bus); /* machined may have been starting when it was looked for */
}

static int check_machined(struct mf_bus *bus, struct mayfly_error *err)
{
        if (mf_bus_reaches_machined(bus->bus))
                return 0;
        return mf_error(err, -EHOSTDOWN, MAYFLY_STAGE_BUS,
                        MACHINED_UNIT " runs, but is not on the system bus, so it cannot be asked for %s; "
                                      "was dbus restarted? Run systemctl restart systemd-machined",
                        bus->machine);
}

static int machine_exists(struct mf_bus *bus, struct mayfly_error *err)
{
        if (bus->is_users)
                return 0;
        int r = check_machined(bus, err);

        return r < 0 ? r
                     : exists(bus, MACHINED, MACHINED_PATH, MACHINED_MANAGER, "GetMachine", bus->machine,
                              MACHINED ".NoSuchMachine", err);
}

static void unit_is_gone(struct mf_bus *bus)
{
        bus->unit_removed = 1;
        bus->unit_removed_us = mf_now_us();
}

static int resolve_doubt(struct mf_bus *bus, struct mayfly_error *err)
{
        int r = unit_exists(bus, err);

        if (r < 0)
                return r;
        bus->unit_in_doubt = 0;
        if (r == 0 && !bus->unit_removed)
                unit_is_gone(bus);
        return 0;
}

/* Replaces a lost connection, and asks whether the unit was removed meanwhile. */
static int reconnect(struct mf_bus *bus, struct mayfly_error *err)
{
        bus->bus = sd_bus_close_unref(bus->bus);
        if (!bus->started)
                return mf_error(err, -ECONNRESET, MAYFLY_STAGE_BUS,
                                "the system bus closed the connection while %s was being started; is dbus being "
                                "restarted? Try again",
                                bus->unit);
        int r = mf_bus_connect(&bus->bus, bus->is_users, err);
        if (r >= 0)
                r = subscribe(bus);
        if (r >= 0)
                r = resolve_doubt(bus, err);
        if (r >= 0)
                return 0;
        bus->bus = sd_bus_close_unref(bus->bus);
        return mf_error_errno(err, r, MAYFLY_STAGE_BUS, "subscribing to the signals of systemd again");
}

int mf_bus_get(struct mf_bus *bus, sd_bus **ret, const char **ret_unit, struct mayfly_error *err)
{
        int r = bus->bus ? 0 : reconnect(bus, err);

        if (r < 0)
                return r;
        *ret = bus->bus;
        *ret_unit = bus->unit;
        return 0;
}

/* Ends the connection and gives the turn back. */
static void disconnect(struct mf_bus *bus)
{
        bus->bus = sd_bus_flush_close_unref(bus->bus);
        if (bus->has_turn)
                mf_turn_give_back();
        bus->has_turn = 0;
}

void mf_bus_rest(struct mf_bus *bus)
{
        disconnect(bus);
        bus->is_resting = 1;
        bus->started = 1;
}

void mf_bus_wake(struct mf_bus *bus)
{
        if (!bus->is_resting)
                return;
        bus->is_resting = 0;
        /* Without a turn the container must be stopped, too. */
        bus->has_turn = mf_turn_take(mf_timeout_end(WAKE_MS)) == 0;
}

int mf_bus_process(struct mf_bus *bus, struct mayfly_error *err)
{
        if (bus->is_resting)
                return 0;
        int r = bus->bus ? 1 : -ENOTCONN;

        while (r > 0)
                r = sd_bus_process(bus->bus, NULL);
        if (r < 0)
                r = reconnect(bus, err);
        else if (bus->unit_in_doubt)
                r = resolve_doubt(bus, err);
        if (r < 0)
                return r;
        if (asks_for_machine(bus) && mf_now_us() > bus->unit_removed_us + RETRY_MS * 1000)
                /* An error means that machined does not run. Then the machine is not registered. */
                bus->machine_removed = machine_exists(bus, NULL) <= 0;
        if (bus->start_error)
                return mf_error(err, bus->start_error, bus->failure.stage, "%s", bus->failure.message);
        return 0;
}

int mf_bus_gone(const struct mf_bus *bus)
{
        return bus->unit_removed && (!bus->machine_seen || bus->machine_removed);
}

int mf_bus_ask_gone(struct mf_bus *bus, struct mayfly_error *err)
{
        if (!bus->bus || sd_bus_is_open(bus->bus) <= 0) {
                bus->started = 1; /* perhaps it was: the question below says so */
                int r = reconnect(bus, err);
                if (r < 0)
                        return r;
        }
        int unit = unit_exists(bus, err);
        if (unit != 0)
                return unit < 0 ? unit : 0;
        int machine = machine_exists(bus, err);
        return machine < 0 ? machine : !machine;
}

const char *mf_bus_job_failure(const struct mf_bus *bus)
{
        return *bus->job_result ? bus->job_result : NULL;
}

int mf_bus_check_machined(struct mf_bus *bus, struct mayfly_error *err)
{
        int r = machine_exists(bus, err);

        return r < 0 ? r : 0;
}

int mf_bus_inspect_machine(struct mf_bus *bus, pid_t *ret_leader, struct mayfly_error *err)
{
        if (!mf_bus_reaches_machined(bus->bus))
                return -EHOSTDOWN;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        char *unit = NULL;
        const char *path;
        uint32_t leader = 0;

        int r = sd_bus_call_method(bus->bus, MACHINED, MACHINED_PATH, MACHINED_MANAGER, "GetMachine", &error, &reply,
                                   "s", bus->machine);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_get_property_string(bus->bus, MACHINED, path, MACHINED ".Machine", "Unit", &error, &unit);
        if (r >= 0)
                r = sd_bus_get_property_trivial(bus->bus, MACHINED, path, MACHINED ".Machine", "Leader", &error, 'u',
                                                &leader);
        if (r < 0)
                mf_bus_error(err, r, &error, "machined does not know the machine", bus->machine);
        else if (strcmp(unit, bus->unit) != 0)
                r = mf_error(err, -EEXIST, MAYFLY_STAGE_BUS, "machined has the machine %s in the unit %s, not in %s",
                             bus->machine, unit, bus->unit);
        else
                *ret_leader = (pid_t) leader;
        if (r >= 0)
                bus->machine_seen = 1;
        free(unit);
        sd_bus_message_unref(reply);
        sd_bus_error_free(&error);
        return r < 0 ? r : 0;
}

struct manager {
        const char *service, *path, *interface;
};

static const struct manager machined = { MACHINED, MACHINED_PATH, MACHINED_MANAGER };
static const struct manager systemd = { SYSTEMD, SYSTEMD_PATH, MANAGER };

/* Calls a method of systemd or machined with arguments of these types, for `object`, and waits for the answer. Returns 0
 * or an error. */
static int call(struct mf_bus *bus, const struct manager *manager, const char *method, const char *object,
                struct mayfly_error *err, const char *types, ...)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        va_list args;

        va_start(args, types);
        int r = sd_bus_call_methodv(bus->bus, manager->service, manager->path, manager->interface, method, &error, NULL,
                                    types, args);
        va_end(args);
        if (r < 0)
                mf_bus_error(err, r, &error, method, object);
        sd_bus_error_free(&error);
        return r < 0 ? r : 0;
}

int mf_bus_terminate_machine(struct mf_bus *bus, struct mayfly_error *err)
{
        if (bus->is_users)
                return -EOPNOTSUPP;
        int r = check_machined(bus, err);

        return r < 0 ? r : call(bus, &machined, "TerminateMachine", bus->machine, err, "s", bus->machine);
}

int mf_bus_stop_unit(struct mf_bus *bus, struct mayfly_error *err)
{
        return call(bus, &systemd, "StopUnit", bus->unit, err, "ss", bus->unit, "replace");
}

int mf_bus_kill_unit(struct mf_bus *bus, struct mayfly_error *err)
{
        return call(bus, &systemd, "KillUnit", bus->unit, err, "ssi", bus->unit, "all", (int32_t) SIGKILL);
}

struct mf_bus *mf_bus_close(struct mf_bus *bus)
{
        if (bus) {
                disconnect(bus);
                free(bus->unit);
                free(bus->machine);
                free(bus);
        }
        return NULL;
}
