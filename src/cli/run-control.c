/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/run-control.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/named.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

/* --- in the mayfly run ------------------------------------------------------------------------------------------ */

void run_control_open(struct run_control *control, const struct mayfly_container *container)
{
        *control = (struct run_control){ .container = container };
        for (size_t i = 0; i < RUN_CLIENTS_MAX; i++)
                control->clients[i].fd = -1;
        /* Without it mayfly exec and others can use the container, too. */
        control->listener = control_listen(CONTROL_RUN_ID, NULL);
}

void run_control_log(const struct run_control *control, const char *data, size_t size, int is_error)
{
        mf_log_append(&control->container->log, data, size, is_error ? MF_LOG_ERROR : MF_LOG_OUTPUT);
}

void run_control_fill(const struct run_control *control, struct pollfd fds[RUN_CONTROL_FDS])
{
        int has_room = 0;

        for (size_t i = 0; i < RUN_CLIENTS_MAX; i++) {
                fds[1 + i] = (struct pollfd){ .fd = control->clients[i].fd, .events = POLLIN };
                has_room |= control->clients[i].fd < 0;
        }
        fds[0] = (struct pollfd){ .fd = has_room ? control->listener : -1, .events = POLLIN };
}

int run_control_left_ms(const struct run_control *control)
{
        return control->kill_us ? mf_left_ms(control->kill_us) : -1;
}

static void accept_client(struct run_control *control)
{
        int fd = control_accept(control->listener);

        for (size_t i = 0; i < RUN_CLIENTS_MAX && fd >= 0; i++)
                if (control->clients[i].fd < 0)
                        control->clients[i] = (struct run_client){ .fd = mf_take_fd(&fd) };
        mf_close(fd);
}

static void answer_signal(const struct run_client *client, struct mayfly_exec *exec, int number)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        control_answer(client->fd, mayfly_exec_signal(exec, number, &err) < 0 ? err.message : NULL);
}

/* Asks the command to end, and notes when it has had its time. */
static void stop(struct run_control *control, struct run_client *client, struct mayfly_exec *exec,
                 json_int_t timeout_ms)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_exec_signal(exec, control->container->spec.stop_signal, &err) < 0 && err.code != -ESRCH) {
                control_answer(client->fd, err.message);
                return;
        }
        client->wants = RUN_WANTS_END;
        if (!control->kill_us)
                control->kill_us = mf_now_us() + (uint64_t) timeout_ms * 1000;
}

/* Does what a request says; what ends with the command is answered then. */
static void obey(struct run_control *control, struct run_client *client, struct mayfly_exec *exec,
                 const json_t *request)
{
        const char *what = json_string_value(json_object_get(request, "request"));
        const json_int_t number = json_integer_value(json_object_get(request, "number"));

        if (what && strcmp(what, "kill") == 0 && number > 0 && number <= SIGRTMAX)
                answer_signal(client, exec, (int) number);
        else if (what && strcmp(what, "wait") == 0)
                client->wants = RUN_WANTS_STATUS;
        else if (what && strcmp(what, "stop") == 0 && number >= 0)
                stop(control, client, exec, number ? number : RUN_STOP_MS);
        else
                control_answer(client->fd, "mayfly run does not know this request");
}

static void receive(struct run_control *control, struct run_client *client, struct mayfly_exec *exec)
{
        json_t *request = NULL;

        int r = control_receive(client->fd, &request);
        if (r > 0)
                obey(control, client, exec, request);
        else if (r < 0)
                client->fd = mf_close(client->fd);
        json_decref(request);
}

void run_control_heed(struct run_control *control, const struct pollfd fds[RUN_CONTROL_FDS], struct mayfly_exec *exec)
{
        for (size_t i = 0; i < RUN_CLIENTS_MAX; i++)
                if (fds[1 + i].revents)
                        receive(control, &control->clients[i], exec);
        if (fds[0].revents)
                accept_client(control);
        if (run_control_left_ms(control) == 0) {
                (void) mayfly_exec_kill(exec, NULL);
                control->kill_us = 0;
        }
}

void run_control_answer(struct run_control *control, int status)
{
        for (size_t i = 0; i < RUN_CLIENTS_MAX; i++) {
                struct run_client *client = &control->clients[i];
                if (client->fd >= 0 && client->wants == RUN_WANTS_STATUS)
                        control_send(client->fd, json_pack("{s:i}", "status", status));
                else if (client->fd >= 0 && client->wants == RUN_WANTS_END)
                        continue; /* its answer is the end of the connection, when the container is gone */
                client->fd = mf_close(client->fd);
        }
        control->listener = mf_close(control->listener);
}

void run_control_close(struct run_control *control)
{
        for (size_t i = 0; i < RUN_CLIENTS_MAX; i++) {
                if (control->clients[i].fd >= 0 && control->clients[i].wants == RUN_WANTS_END)
                        control_answer(control->clients[i].fd, NULL);
                control->clients[i].fd = mf_close(control->clients[i].fd);
        }
        control->listener = mf_close(control->listener);
}

/* --- in others -------------------------------------------------------------------------------------------------- */

int run_connect(pid_t owner)
{
        return owner > 0 ? control_connect(owner, CONTROL_RUN_ID) : -1;
}

int run_check_app(const char *name, const struct mayfly_container *container, int *ret_run)
{
        const int fd = container->reports.expects_app ? -1 : run_connect(container->owner);

        *ret_run = fd < 0 ? -1 : fd;
        return fd >= 0 || container->reports.expects_app
                       ? TOOL_OK
                       : tool_fail("container \"%s\" runs no app; only mayfly exec is for it", name);
}

int run_attach_app(const char *state, const char *name, struct mayfly_container **ret, int *ret_run)
{
        int status = tool_attach(state, name, ret);

        if (status == TOOL_OK)
                status = run_check_app(name, *ret, ret_run);
        if (status != TOOL_OK)
                *ret = mayfly_container_free(*ret);
        return status;
}

int run_ask(int fd, const char *request, unsigned number, int *ret_status, struct mayfly_error *err)
{
        json_t *answer = NULL;

        int r = control_ask(fd, json_pack("{s:s, s:I}", "request", request, "number", (json_int_t) number), 0, &answer);
        const char *error = r < 0 ? NULL : control_error(answer);
        if (error)
                r = mf_error(err, -EIO, MAYFLY_STAGE_EXEC, "%s", error);
        else if (r < 0)
                (void) mf_error(err, r, MAYFLY_STAGE_EXEC,
                                "the mayfly run that started the container has ended without an answer: %s",
                                strerrordesc_np(-r));
        else if (r == 0 && ret_status)
                *ret_status = (int) json_integer_value(json_object_get(answer, "status"));
        json_decref(answer);
        return r;
}
