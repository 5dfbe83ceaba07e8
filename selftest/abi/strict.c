/* SPDX-License-Identifier: MIT */

/* Compiled as strict C99: what the headers' macros make. */

#include <mayfly/build.h>
#include <mayfly/container.h>
#include <mayfly/error.h>
#include <mayfly/image.h>
#include <mayfly/inspect.h>
#include <mayfly/mayfly.h>
#include <mayfly/port.h>
#include <mayfly/store.h>
#include <mayfly/struct.h>
#include <mayfly/trust.h>

int use_macros(struct mayfly_tmpfs *tmpfs, const struct mayfly_pin *pin);

const struct mayfly_address address = MAYFLY_ADDRESS_INIT;
const struct mayfly_build_options build_options = MAYFLY_BUILD_OPTIONS_INIT;
const struct mayfly_command command = MAYFLY_COMMAND_INIT;
const struct mayfly_error error = MAYFLY_ERROR_INIT;
const struct mayfly_exit end = MAYFLY_EXIT_INIT;
const struct mayfly_file file = MAYFLY_FILE_INIT;
const struct mayfly_get_options get_options = MAYFLY_GET_OPTIONS_INIT;
const struct mayfly_gc_options gc_options = MAYFLY_GC_OPTIONS_INIT;
const struct mayfly_gc_result gc_result = MAYFLY_GC_RESULT_INIT;
const struct mayfly_image_options image_options = MAYFLY_IMAGE_OPTIONS_INIT;
const struct mayfly_link fault = MAYFLY_LINK_INIT;
const struct mayfly_link_direction direction = MAYFLY_LINK_DIRECTION_INIT;
const struct mayfly_port port = MAYFLY_PORT_INIT;
const struct mayfly_publish publish = MAYFLY_PUBLISH_INIT;
const struct mayfly_spec spec = MAYFLY_SPEC_INIT;
const struct mayfly_stats stats = MAYFLY_STATS_INIT;
const struct mayfly_limits limits = MAYFLY_LIMITS_INIT;
const struct mayfly_stop_result stop_result = MAYFLY_STOP_RESULT_INIT;
const struct mayfly_timings timings = MAYFLY_TIMINGS_INIT;
const struct mayfly_trust_options trust_options = MAYFLY_TRUST_OPTIONS_INIT;
const struct mayfly_verify_options verify_options = MAYFLY_VERIFY_OPTIONS_INIT;
const struct mayfly_verify_result verify_result = MAYFLY_VERIFY_RESULT_INIT;
const struct mayfly_volume volume = MAYFLY_VOLUME_INIT;
const struct mayfly_wait wait_init = MAYFLY_WAIT_INIT;

int use_macros(struct mayfly_tmpfs *tmpfs, const struct mayfly_pin *pin)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = { 0 };
        struct mayfly_volume volumes[10] = { MAYFLY_VOLUME_INIT };

        volumes[1].path = "/cache";
        const struct mayfly_wait *wait = MAYFLY_WAIT(
                { .port = "6379/tcp" }, MAYFLY_WAIT_LOG("ready", .timeout_ms = 5),
                MAYFLY_WAIT_ANY(MAYFLY_WAIT_FILE("/x"), MAYFLY_WAIT_ALL_WITHIN(9, MAYFLY_WAIT_COMMAND("true"))),
                MAYFLY_WAIT_COMMAND_WITHIN(8, "true", "x"), MAYFLY_WAIT_NOTIFY(), MAYFLY_WAIT_NOTIFY_WITHIN(7));

        if (mayfly_container_wait_for(container, wait, &err) < 0)
                return -1;
        if (mayfly_link_set(container, "80", MAYFLY_LINK(.refuse = 1, .up = MAYFLY_LINK_DIRECTION(.latency_ms = 5)),
                            &err) < 0)
                return 1;
        if (!MAYFLY_HAS(pin, user_id))
                return mayfly_container_start(&container, MAYFLY_SPEC(.image = "aci:x", .volumes = volumes), &err);
        return mayfly_container_start(
                &container,
                MAYFLY_SPEC(.image = "aci:x", .stop_signal = 2,
                            .host_ports = MAYFLY_HOST_PORTS({ .port = 8080 },
                                                            MAYFLY_HOST_PORT(.port = 9090, .protocol = "udp")),
                            .publish = MAYFLY_PORTS({ .port = 6379 }, MAYFLY_PUBLISH(.name = "dns", .protocol = "udp")),
                            .spare = 1, .ulimits = MAYFLY_STRINGS("core=0"),
                            .extra_hosts = MAYFLY_STRINGS("a:10.0.0.7", "b:::1"),
                            .files = MAYFLY_FILES({ .path = "/etc/conf", .text = "x" },
                                                  MAYFLY_FILE(.path = "/srv", .source = "www")),
                            .volumes = MAYFLY_VOLUMES({ .name = "data", .tmpfs = tmpfs },
                                                      MAYFLY_VOLUME(.path = "/cache", .mode = 0700))),
                &err);
}
