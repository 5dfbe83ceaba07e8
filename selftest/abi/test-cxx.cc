// SPDX-License-Identifier: MIT

// usage: test-cxx HEADER...
// C++11 starts from each macro of the headers, and the library understands what it made.

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include <mayfly/mayfly.h>

static std::set<std::string> used;

static void check_at(bool holds, const char *what, int line)
{
        if (holds)
                return;
        std::cerr << "test-cxx.cc:" << line << ": not " << what << "\n";
        std::exit(1);
}
#define check(condition) check_at(condition, #condition, __LINE__)

/* From an initializer: the size is set, and all else is zero, up to the byte `end`. */
#define USE_UNTIL(type, initializer, name, end)                                         \
        do {                                                                            \
                struct type value = initializer;                                        \
                check(value.size == sizeof(struct type));                               \
                for (size_t i = sizeof(value.size); i < (end); i++)                     \
                        check(reinterpret_cast<const unsigned char *>(&value)[i] == 0); \
                used.insert(name);                                                      \
        } while (0)
#define USE(type, initializer) USE_UNTIL(type, initializer, #initializer, sizeof(struct type))

static void use_initializers()
{
        USE(mayfly_build_options, MAYFLY_BUILD_OPTIONS_INIT);
        USE(mayfly_command, MAYFLY_COMMAND_INIT);
        USE(mayfly_error, MAYFLY_ERROR_INIT);
        USE(mayfly_exit, MAYFLY_EXIT_INIT);
        USE(mayfly_file, MAYFLY_FILE_INIT);
        USE(mayfly_spec, MAYFLY_SPEC_INIT);
        USE(mayfly_get_options, MAYFLY_GET_OPTIONS_INIT);
        USE(mayfly_gc_options, MAYFLY_GC_OPTIONS_INIT);
        USE(mayfly_gc_result, MAYFLY_GC_RESULT_INIT);
        /* A compiler need not set what is behind the last member. */
        USE_UNTIL(mayfly_image_options, MAYFLY_IMAGE_OPTIONS_INIT, "MAYFLY_IMAGE_OPTIONS_INIT",
                  offsetof(mayfly_image_options, fetch) + sizeof(mayfly_fetch));
        USE(mayfly_address, MAYFLY_ADDRESS_INIT);
        USE(mayfly_host_port, MAYFLY_HOST_PORT_INIT);
        USE(mayfly_link, MAYFLY_LINK_INIT);
        USE(mayfly_link_direction, MAYFLY_LINK_DIRECTION_INIT);
        USE(mayfly_port, MAYFLY_PORT_INIT);
        USE(mayfly_publish, MAYFLY_PUBLISH_INIT);
        USE(mayfly_stats, MAYFLY_STATS_INIT);
        USE(mayfly_limits, MAYFLY_LIMITS_INIT);
        USE(mayfly_stop_result, MAYFLY_STOP_RESULT_INIT);
        USE(mayfly_timings, MAYFLY_TIMINGS_INIT);
        USE(mayfly_trust_options, MAYFLY_TRUST_OPTIONS_INIT);
        USE(mayfly_verify_options, MAYFLY_VERIFY_OPTIONS_INIT);
        USE(mayfly_verify_result, MAYFLY_VERIFY_RESULT_INIT);
        USE(mayfly_volume, MAYFLY_VOLUME_INIT);
        USE(mayfly_wait, MAYFLY_WAIT_INIT);
}

/* The initializers of the headers, all of which must have been used. */
static void check_used(const std::string &header)
{
        std::ifstream file(header);
        std::string word, name;

        check(file.good());
        while (file >> word)
                if (word == "#define" && file >> name && name.size() > 5 && name.substr(name.size() - 5) == "_INIT" &&
                    used.count(name) == 0) {
                        std::cerr << "test-cxx.cc does not use " << name << " of " << header << "\n";
                        std::exit(1);
                }
}

static void use_volumes()
{
        std::string source = "/srv/data";
        const struct mayfly_volume *volumes = MAYFLY_VOLUMES(MAYFLY_VOLUME(.name = "data", .source = source.c_str()),
                                                             MAYFLY_VOLUME(.path = "/cache", .mode = 0700));

        check(volumes[0].size == sizeof(*volumes) && !volumes[0].name && !volumes[0].path);
        check(volumes[1].name == std::string("data") && volumes[1].source == source && volumes[1].mode == 0);
        check(volumes[2].path == std::string("/cache") && volumes[2].mode == 0700 && !volumes[2].source);
        check(volumes[3].size == 0 && !volumes[3].name && !volumes[3].path);
}

static void use_files()
{
        const struct mayfly_file *files = MAYFLY_FILES(MAYFLY_FILE(.path = "/etc/conf", .text = "x"),
                                                       MAYFLY_FILE(.path = "/srv", .source = "www"));

        check(files[0].size == sizeof(*files) && !files[0].path);
        check(files[1].text == std::string("x") && !files[1].source);
        check(files[2].path == std::string("/srv") && files[2].source == std::string("www"));
        check(files[3].size == 0 && !files[3].path);
}

static void use_ports()
{
        const struct mayfly_publish *ports =
                MAYFLY_PORTS(MAYFLY_PUBLISH(.port = 6379), MAYFLY_PUBLISH(.name = "dns", .protocol = "udp"));

        check(ports[0].size == sizeof(*ports) && !ports[0].port && !ports[0].name);
        check(ports[1].port == 6379 && !ports[1].name);
        check(ports[2].name == std::string("dns") && ports[2].protocol == std::string("udp"));
        check(ports[3].size == 0 && !ports[3].port);
        const struct mayfly_host_port *host =
                MAYFLY_HOST_PORTS(MAYFLY_HOST_PORT(.port = 8080), MAYFLY_HOST_PORT(.port = 53, .protocol = "udp"));
        check(host[0].size == sizeof(*host) && !host[0].port);
        check(host[1].port == 8080 && !host[1].protocol);
        check(host[2].port == 53 && host[2].protocol == std::string("udp"));
        check(host[3].size == 0 && !host[3].port);
        const struct mayfly_link *link = MAYFLY_LINK(.latency_ms = 7, .down = MAYFLY_LINK_DIRECTION(.cut_after = 5));
        check(link->latency_ms == 7 && !link->up && link->down->cut_after == 5);
}

static int is_ready(struct mayfly_container *, void *)
{
        return 1;
}

/* A list in a list in a list, each of which lives as long as the outermost. */
static void use_waits()
{
        std::string pattern = "ready", program = "pg_isready";
        const struct mayfly_wait *waits =
                MAYFLY_WAIT(MAYFLY_WAIT_PORT("6379/tcp", .timeout_ms = 5),
                            MAYFLY_WAIT_ANY(MAYFLY_WAIT_LOG(pattern.c_str(), .log_count = 2),
                                            MAYFLY_WAIT_ALL_WITHIN(
                                                    7, MAYFLY_WAIT_COMMAND(program.c_str(), "-q"), MAYFLY_WAIT_NOTIFY(),
                                                    MAYFLY_WAIT_EXIT(3), MAYFLY_WAIT_CALLBACK(is_ready),
                                                    MAYFLY_WAIT_COMMAND_WITHIN(8, program.c_str(), "-q"),
                                                    MAYFLY_WAIT_NOTIFY_WITHIN(9), MAYFLY_WAIT_HEALTHY_WITHIN(10))),
                            MAYFLY_WAIT_HTTP("/health", .http_headers = MAYFLY_STRINGS("Accept: text/plain")));

        check(waits[0].size == sizeof(*waits) && !waits[0].port && waits[4].size == 0);
        check(waits[1].port == std::string("6379/tcp") && waits[1].timeout_ms == 5 && waits[1].size == sizeof(*waits));
        check(waits[2].any[1].log == pattern && waits[2].any[1].log_count == 2 && !waits[2].any[1].any);
        const struct mayfly_wait *all = waits[2].any[2].all;
        check(waits[2].any[2].timeout_ms == 7 && all[1].command[0] == program &&
              all[1].command[1] == std::string("-q") && !all[1].command[2] && all[2].notify && all[3].exit &&
              all[3].exit_status == 3 && all[4].callback == is_ready && all[5].command[1] == std::string("-q") &&
              !all[5].command[2] && all[5].timeout_ms == 8 && all[6].notify && all[6].timeout_ms == 9 &&
              all[7].healthy && all[7].timeout_ms == 10 && all[8].size == 0);
        check(waits[3].http_headers[0] == std::string("Accept: text/plain") && !waits[3].http_headers[1]);
}

/* Each evaluation begins with nothing set. */
static const struct mayfly_spec *spec_number(unsigned n)
{
        return MAYFLY_SPEC(.image = "aci:x", .tasks_max = n);
}

/* The library reads spec and volumes, and stops at the engine, before it needs root. */
static void start()
{
        struct mayfly_container *container = nullptr;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = mayfly_container_start(
                &container,
                MAYFLY_SPEC(.image = "aci:x", .engine = static_cast<enum mayfly_engine>(9),
                            .volumes = MAYFLY_VOLUMES(MAYFLY_VOLUME(.path = "/a"), MAYFLY_VOLUME(.path = "/b"))),
                &err);
        check(r == -EINVAL && std::string(err.message).find("engine 9") != std::string::npos);

        struct mayfly_error zeroed = {};
        struct mayfly_volume volumes[4] = { MAYFLY_VOLUME_INIT };
        volumes[1].path = "/a";
        volumes[2].size = 77;
        r = mayfly_container_start(&container, MAYFLY_SPEC(.image = "aci:x", .volumes = volumes), &zeroed);
        check(r == -EINVAL && std::string(zeroed.message).find("entry 2 is 77") != std::string::npos);

        struct mayfly_pin pin = mayfly_pin();
        pin.size = offsetof(struct mayfly_pin, user_id);
        check(MAYFLY_HAS(&pin, fingerprint) && !MAYFLY_HAS(&pin, user_id));
}

int main(int argc, char **argv)
{
        use_initializers();
        for (int i = 1; i < argc; i++)
                check_used(argv[i]);
        use_volumes();
        use_files();
        use_ports();
        use_waits();
        check(spec_number(5)->tasks_max == 5 && spec_number(6)->tasks_max == 6 && !spec_number(7)->volumes);
        start();
        return 0;
}
