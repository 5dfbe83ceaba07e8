/* SPDX-License-Identifier: MIT */
/* The daemon of test-unit.c, as systemd expects one: it gets its socket from systemd, and has a name on D-Bus. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static int greet(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        const char *name;
        char text[256];

        (void) userdata;
        (void) error;
        int r = sd_bus_message_read(call, "s", &name);
        if (r < 0)
                return r;
        snprintf(text, sizeof(text), "hello, %s", name);
        return sd_bus_reply_method_return(call, "s", text);
}

static const sd_bus_vtable methods[] = { SD_BUS_VTABLE_START(0),
                                         SD_BUS_METHOD("Greet", "s", "s", greet, SD_BUS_VTABLE_UNPRIVILEGED),
                                         SD_BUS_VTABLE_END };

int main(void)
{
        sd_bus *bus = NULL;

        if (sd_listen_fds(1) != 1 || sd_bus_open_system(&bus) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/com/example/Greeter", "com.example.Greeter", methods, NULL) < 0 ||
            sd_bus_request_name(bus, "com.example.Greeter", 0) < 0) {
                fputs("greeterd: no socket, or no name on the bus\n", stderr);
                return EXIT_FAILURE;
        }
        for (;;) {
                struct pollfd fds[] = { { SD_LISTEN_FDS_START, POLLIN, 0 }, { sd_bus_get_fd(bus), POLLIN, 0 } };
                while (sd_bus_process(bus, NULL) > 0)
                        ;
                (void) sd_bus_flush(bus);
                if (poll(fds, 2, -1) < 0 || (fds[1].revents & POLLHUP))
                        return EXIT_FAILURE;
                int client = fds[0].revents ? accept(SD_LISTEN_FDS_START, NULL, NULL) : -1;
                if (client >= 0) {
                        dprintf(client, "hello\n");
                        close(client);
                }
        }
}
