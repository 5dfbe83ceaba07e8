/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdio.h>

#include <mayfly/container.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/keeper.h"
#include "cli/named.h"
#include "cli/operand.h"
#include "cli/run.h"
#include "util/arena.h"
#include "util/macro.h"

struct choices {
        const char **env, **publish, **host_ports, **volumes, **tmpfs, **capabilities;
        const char **devices, **extra_hosts, **sysctls, **ulimits, **labels;
        const char *entrypoint[2]; /* the program, and NULL */
        const char *user, *cwd, *name, *hostname;
        int interactive, tty, remove, read_only;
        enum mayfly_network_mode network;
        enum mayfly_userns userns;
        enum mayfly_engine engine;
        uint64_t memory, shm_size;
        unsigned tasks;
        struct keeper_choices keeper; /* its image options are for all */
};

/* Turns what was chosen into a spec. Returns TOOL_OK, or complains and returns TOOL_USAGE. */
static int make_spec(struct choices *choices, const char *image, struct mf_arena *memory, struct mayfly_spec *spec)
{
        *spec = (struct mayfly_spec){ .size = sizeof(*spec),
                                      .image = image,
                                      .idle = 1,
                                      .name = choices->name,
                                      .engine = choices->engine,
                                      .network = choices->network,
                                      .userns = choices->userns,
                                      .memory_max = choices->memory,
                                      .tasks_max = choices->tasks,
                                      .max_runtime_s = UINT32_MAX,
                                      .devices = choices->devices,
                                      .extra_hosts = choices->extra_hosts,
                                      .sysctls = choices->sysctls,
                                      .ulimits = choices->ulimits,
                                      .labels = choices->labels,
                                      .read_only = choices->read_only,
                                      .hostname = choices->hostname,
                                      .shm_size = choices->shm_size,
                                      .image_options = &choices->keeper.image };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        const char *option;

        run_take_capabilities(memory, choices->capabilities, &spec->capabilities);
        if (run_take_ports(memory, choices->publish, &spec->publish, &err) < 0)
                option = "publish";
        else if (run_take_host_ports(memory, choices->host_ports, &spec->host_ports, &err) < 0)
                option = "host-port";
        else if (run_take_volumes(memory, NULL, choices->volumes, choices->tmpfs, &spec->volumes, &err) < 0)
                option = "volume";
        else if (run_take_env(memory, choices->env, &spec->env, &err) < 0)
                option = "env";
        else
                return TOOL_OK;
        return tool_usage("run", "--%s=%s", option, err.message);
}

static struct mayfly_command make_command(const struct choices *choices, char **arguments, struct mf_arena *memory)
{
        struct mayfly_command command = run_make_command(memory, choices->user, choices->cwd, choices->tty);

        if (choices->entrypoint[0]) /* "" is for none, as in docker */
                command.entrypoint = choices->entrypoint + (choices->entrypoint[0][0] == '\0');
        if (*arguments)
                command.argv = (const char *const *) arguments;
        return command;
}

static void print_addresses(struct mayfly_container *container, const struct mayfly_publish *publish)
{
        char port[24];

        for (; publish && publish[1].size; publish++) {
                struct mayfly_address address = MAYFLY_ADDRESS_INIT;
                snprintf(port, sizeof(port), "%u/%s", publish[1].port, publish[1].protocol);
                if (mayfly_container_address(container, port, &address, NULL) == 0)
                        fprintf(stderr, "mayfly: port %s is published at %s\n", port, address.text);
        }
}

/* Lets others enter the container by its name: exec, logs and so on. Who gave it no name can do without. */
static int share(struct mayfly_container *container, const struct choices *choices, struct mayfly_error *err)
{
        int r = tool_share(container, NULL, choices->name, err);

        if (r == 0 || choices->name)
                return r;
        if (!choices->keeper.quiet)
                fprintf(stderr, "mayfly: warning: no other command can enter this container: %s\n", err->message);
        return 0;
}

static int start(struct choices *choices, const struct mayfly_spec *spec, struct mayfly_container **ret,
                 struct run_control *control, struct mayfly_error *err)
{
        struct mf_progress_printer printer;

        int r = choices->name ? tool_name_is_free(NULL, choices->name, err) : 0;
        if (r < 0)
                return r;
        tool_show_progress(choices->keeper.quiet, &printer, &choices->keeper.image);
        r = mayfly_container_start(ret, spec, err);
        mf_progress_finish(&printer);
        if (r < 0)
                return r;
        run_control_open(control, *ret);
        r = share(*ret, choices, err);
        if (r < 0) {
                *ret = mayfly_container_free(*ret);
                run_control_close(control);
        }
        return r;
}

/* Has a keeper run the command as the app of the container, so that it can be restarted. */
static int run_detached(struct choices *choices, char **operands)
{
        mf_cleanup(declaration_clear) struct declaration declaration = { 0 };
        struct declared declared = { .name = choices->name };

        if (make_spec(choices, operands[0], &declaration.memory, &declared.spec) != TOOL_OK)
                return RUN_FAILED;
        const struct mayfly_command command = make_command(choices, operands + 1, &declaration.memory);
        declared.spec.idle = 0;
        declared.spec.entrypoint = command.entrypoint;
        declared.spec.argv = command.argv;
        declared.spec.user = choices->user;
        declared.spec.cwd = command.cwd;
        declaration.containers = &declared;
        declaration.n = 1;
        return keeper_begin(&choices->keeper, &declaration, 1) == TOOL_OK ? TOOL_OK : RUN_FAILED;
}

static int run_image(struct choices *choices, char **operands)
{
        mf_cleanup(mf_arena_clear) struct mf_arena memory = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container = NULL;
        struct run_control control;
        struct mayfly_spec spec;

        if (make_spec(choices, operands[0], &memory, &spec) != TOOL_OK)
                return RUN_FAILED;
        spec.separate_streams = !choices->tty;
        int r = start(choices, &spec, &container, &control, &err);
        if (r < 0)
                return run_failed(r, &err);
        if (!choices->keeper.quiet)
                print_addresses(container, spec.publish);
        const struct mayfly_command command = make_command(choices, operands + 1, &memory);
        int status = RUN_FAILED;
        if (run_end_after(keeper_limit_us(choices->keeper.time_limit_s)) == TOOL_OK)
                status = run_command(container, &command, choices->interactive, &control);
        const int is_late = run_is_late(); /* the end of the container takes time, too */
        mayfly_container_free(container);
        run_control_close(&control);
        if (is_late)
                (void) tool_fail("the command was ended because its --time-limit is over");
        return status;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .keeper.image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct tool_operands operands;
        int status = tool_parse(&tool_run, argc, argv, &choices, &operands);

        if (status >= 0)
                return status == TOOL_OK ? TOOL_OK : RUN_FAILED;
        if (tool_check_reference("run", operands.list[0]) != TOOL_OK)
                return RUN_FAILED;
        if (choices.name && tool_check_name("run", choices.name) != TOOL_OK)
                return RUN_FAILED;
        if (choices.keeper.detach && (choices.interactive || choices.tty)) {
                (void) tool_usage("run", "--detach is not for --interactive or --tty: nobody is there then");
                return RUN_FAILED;
        }
        if (run_check_terminal("run", choices.interactive, choices.tty) != TOOL_OK)
                return RUN_FAILED;
        if (choices.keeper.detach)
                return run_detached(&choices, operands.list);
        return run_end_with((pid_t) choices.keeper.owner) == TOOL_OK ? run_image(&choices, operands.list) : RUN_FAILED;
}

#define LIST(words, letter_, field, value_, text)                                                           \
        {                                                                                                   \
                .name = words, .letter = letter_, .kind = TOOL_LIST, .at = offsetof(struct choices, field), \
                .value = value_, .help = text                                                               \
        }
#define TEXT(words, letter_, field, value_, text)                                                           \
        {                                                                                                   \
                .name = words, .letter = letter_, .kind = TOOL_TEXT, .at = offsetof(struct choices, field), \
                .value = value_, .help = text                                                               \
        }
#define FLAG(words, letter_, field, text)                                                             \
        {                                                                                             \
                .name = words, .letter = letter_, .at = offsetof(struct choices, field), .help = text \
        }
#define WORD(words_, field, value_, list, from, text)                                                      \
        {                                                                                                  \
                .name = words_, .kind = TOOL_WORD, .at = offsetof(struct choices, field), .value = value_, \
                .words = list, .first = from, .help = text                                                 \
        }

#define BYTES(words, letter_, field, text)                                                                   \
        {                                                                                                    \
                .name = words, .letter = letter_, .kind = TOOL_BYTES, .at = offsetof(struct choices, field), \
                .value = "SIZE", .help = text                                                                \
        }

static const struct tool_option options[] = {
        FLAG("interactive", 'i', interactive, "pass standard input on to the command"),
        FLAG("tty", 't', tty, "give the command a terminal"),
        LIST("env", 'e', env, "NAME[=VALUE]", "set this variable; without a value, to what it is here"),
        LIST("publish", 'p', publish, "[HOST-PORT:]PORT[/PROTOCOL]", "publish a port on 127.0.0.1 and [::1]"),
        LIST("host-port", 0, host_ports, "PORT[/PROTOCOL]",
             "let the container reach this port of 127.0.0.1 as host.mayfly"),
        LIST("volume", 'v', volumes, "SOURCE:PATH[:ro]", "mount a directory or file of the host"),
        LIST("tmpfs", 0, tmpfs, "PATH", "mount an empty directory in memory"),
        TEXT("user", 'u', user, "USER", "run the command as this user instead of the image's"),
        TEXT("workdir", 'w', cwd, "PATH", "run the command in this directory instead of the image's"),
        TEXT("entrypoint", 0, entrypoint[0], "PROGRAM", "run this program instead of the image's entrypoint"),
        LIST("device", 0, devices, "PATH[:PATH-INSIDE]", "let the container have a device of the host"),
        LIST("add-host", 0, extra_hosts, "NAME:ADDRESS", "add a line to /etc/hosts"),
        LIST("sysctl", 0, sysctls, "NAME=VALUE", "set a kernel parameter of the container's own namespaces"),
        LIST("ulimit", 0, ulimits, "NAME=SOFT[:HARD]", "set a resource limit"),
        LIST("label", 0, labels, "NAME[=VALUE]", "set a label, which mayfly ps shows"),
        FLAG("read-only", 0, read_only,
             "let nothing write to the root, but to volumes, /dev/shm, /run, /tmp and /var/tmp"),
        TEXT("hostname", 0, hostname, "NAME", "the host name; default the name of the machine"),
        BYTES("shm-size", 0, shm_size, "most that /dev/shm may hold"),
        TEXT("name", 0, name, "NAME", "what mayfly exec and others call it; default the name of its machine"),
        WORD("network", network, "MODE", run_network_modes, MAYFLY_NETWORK_PRIVATE, "none, the default, or host"),
        WORD("userns", userns, "MODE", run_namespaces, MAYFLY_USERNS_PRIVATE, "private, the default, host, or keep-id"),
        LIST("cap-add", 0, capabilities, "CAPABILITY", "grant a capability besides appc's 14, such as NET_ADMIN"),
        BYTES("memory", 'm', memory, "most memory of all processes, such as 512M"),
        { .name = "pids-limit",
          .kind = TOOL_NUMBER,
          .at = offsetof(struct choices, tasks),
          .value = "NUMBER",
          .help = "most processes and threads" },
        WORD("engine", engine, "ENGINE", run_engines, MAYFLY_ENGINE_SYSTEMD,
             "systemd or direct; default as in mayfly(7)"),
        FLAG("detach", 'd', keeper.detach, "return when it is ready, print its name, and let it run on"),
        KEEPER_OPTION_OWNER(struct choices, keeper.owner),
        KEEPER_OPTION_TIME_LIMIT(struct choices, keeper.time_limit_s),
        FLAG("rm", 0, remove, "for those who are used to it: nothing is ever left"),
        TOOL_OPTION_STORE(struct choices, keeper.image.store),
        FLAG("quiet", 'q', keeper.quiet, "print errors alone"),
        TOOL_OPTION_ALLOW_HTTP(struct choices, keeper.image.allow_http),
        TOOL_OPTION_SIGNATURES(struct choices, keeper.image.signatures, "off"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "REFERENCE", NULL };

const struct tool_command tool_run = {
        .name = "run",
        .summary = "run a command, or an image's app, in a new container",
        .synopsis = "[OPTION]... REFERENCE [ARGUMENT]...",
        .description =
                "Fetches the image of a pinned reference if it is not stored, starts a container of it, and runs its "
                "entrypoint with the ARGUMENTs, or with the image's own, as the image's user. Output and error output "
                "are the command's; signals go to it.\n"
                "The container ends with the command, or with this process, and leaves nothing.",
        .exit_status = "the command's, or 128 and the number of the signal that ended it; 127 when it, its user or its "
                       "directory was not found, "
                       "126 when it could not be executed, and 125 when mayfly could not run it or the command line is "
                       "wrong.",
        .options = options,
        .operands = operand_names,
        .ends_at_operand = 1,
        .run = run,
};
