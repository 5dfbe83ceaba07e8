/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "container/listeners.h"
#include "container/ports.h"
#include "fetch/curl.h"
#include "ready/condition.h"
#include "ready/pace.h"
#include "ready/port.h"
#include "ready/status-set.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

/* An answer of an HTTP server in the container, over a socket that is connected there. The transfer goes on while the other
 * conditions are looked at. */

#define BODY_MAX (1U << 20) /* what is looked at of an answer's body */
#define LATE_SHARE 16U
#define LATE_MAX_US 20000U
#define CONNECT_MS 50U   /* then the other conditions are looked at, and it is tried again */
#define ATTEMPT_MS 5000L /* then the server gets another request: it may have taken this one before it was ready */

struct asking {
        struct mf_port_name port;
        const char *port_text;
        int netlink; /* -1 before it is needed */
        struct curl_slist *headers, *resolve;
        char *url;
        CURLM *multi;
        CURL *easy; /* NULL between two attempts */
        int socket; /* connected, before libcurl has it: then -1 */
        int polled; /* the socket that libcurl waits for, or -1, */
        short events;
        uint64_t timer_us; /* and when it wants to go on without an event; 0: never */
        uint64_t begin_us; /* of this attempt, */
        uint64_t first_us; /* and the end of the first one */
        struct mf_buffer body;
        char problem[CURL_ERROR_SIZE];
        char last[CURL_ERROR_SIZE + 100]; /* how the last attempt ended */
        unsigned n_ended, looks;
        int is_full; /* the server takes no more connections for now */
};

/* --- before the start ------------------------------------------------------------------------------------------- */

static int add_headers(struct asking *asking, const char *const *headers, struct mayfly_error *err)
{
        for (; headers && *headers; headers++) {
                if (!strchr(*headers, ':') || strpbrk(*headers, "\r\n"))
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "\"%.100s\" in http_headers is no header; write \"Name: value\"", *headers);
                struct curl_slist *grown = mf_curl.slist_append(asking->headers, *headers);
                if (!grown)
                        return mf_error_oom(err, MAYFLY_STAGE_SPEC);
                asking->headers = grown;
        }
        return 0;
}

static int check_text(const struct mayfly_wait *o, struct mayfly_error *err)
{
        const char *path = o->https ? o->https : o->http, *host = o->http_host;

        if (path[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the path \"%.200s\" does not begin with a slash; write it without the host", path);
        for (const char *p = path; *p; p++)
                if ((unsigned char) *p <= ' ')
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "the path \"%.200s\" has a space or a control character; write %%%02X", path,
                                        (unsigned) (unsigned char) *p);
        if (o->http_ca_file && access(o->http_ca_file, R_OK) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC, "http_ca_file %.200s cannot be read",
                                      o->http_ca_file);
        if (host && (!*host || strpbrk(host, "/:@?# \t\r\n")))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "http_host \"%.200s\" is no host name", host);
        return mf_status_set_check(o->http_status, err);
}

static int check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        const struct mayfly_wait *o = &condition->options;
        struct asking *asking = calloc(1, sizeof(*asking));

        if (!asking)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        asking->netlink = asking->socket = asking->polled = -1;
        asking->port_text = o->port ? o->port : o->https ? "443" : "80";
        condition->data = asking;
        int is_unix = strncmp(asking->port_text, "unix:", 5) == 0;
        snprintf(what, size, "%s %.200s at %s%.100s", o->https ? "https" : "http", o->https ? o->https : o->http,
                 is_unix ? "" : "port ", asking->port_text);
        int r = check_text(o, err);
        if (r == 0)
                r = mf_curl_load(MAYFLY_STAGE_WAIT, err); /* before the start, whose result would be thrown away */
        return r == 0 ? add_headers(asking, o->http_headers, err) : r;
}

static int resolve(struct mf_condition *condition, const struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mayfly_wait *o = &condition->options;
        struct asking *asking = condition->data;
        const char *host = o->http_host ? o->http_host : "localhost";
        mf_cleanup(mf_freep) char *known = NULL;

        int r = mf_port_parse(container, asking->port_text, &asking->port, err);
        if (r < 0)
                return r;
        if (asking->port.kind == MF_FORWARD_UDP)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the wait for http is at port \"%.100s\", which is udp", asking->port_text);
        unsigned number = asking->port.kind == MF_FORWARD_TCP ? asking->port.port : o->https ? 443 : 80;
        if (asprintf(&asking->url, "%s://%s:%u%s", o->https ? "https" : "http", host, number,
                     o->https ? o->https : o->http) < 0)
                asking->url = NULL;
        /* There is nothing to look up: the socket is connected. */
        if (asprintf(&known, "%s:%u:127.0.0.1", host, number) < 0)
                known = NULL;
        asking->resolve = known ? mf_curl.slist_append(NULL, known) : NULL;
        return asking->url && asking->resolve ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
}

/* --- what libcurl calls ----------------------------------------------------------------------------------------- */

static curl_socket_t give_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
        struct asking *asking = userdata;

        (void) purpose;
        (void) address;
        return asking->socket >= 0 ? mf_take_fd(&asking->socket) : CURL_SOCKET_BAD;
}

static int is_connected(void *userdata, curl_socket_t fd, curlsocktype purpose)
{
        (void) userdata;
        (void) fd;
        (void) purpose;
        return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int note_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *per_socket)
{
        struct asking *asking = userdata;

        (void) easy;
        (void) per_socket;
        asking->polled = what == CURL_POLL_REMOVE ? -1 : fd;
        asking->events = (short) ((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
        return 0;
}

static int note_timer(CURLM *multi, long timeout_ms, void *userdata)
{
        struct asking *asking = userdata;

        (void) multi;
        asking->timer_us = timeout_ms < 0 ? 0 : mf_now_us() + (uint64_t) timeout_ms * 1000;
        return 0;
}

static size_t take_body(char *data, size_t size, size_t n, void *userdata)
{
        struct asking *asking = userdata;
        size_t all = size * n, take = all;

        if (take > BODY_MAX - asking->body.size)
                take = BODY_MAX - asking->body.size;
        return take == 0 || mf_buffer_add(&asking->body, data, take) == 0 ? all : 0;
}

/* --- one attempt ------------------------------------------------------------------------------------------------ */

static void end(struct asking *asking)
{
        if (asking->easy && asking->multi)
                mf_curl.multi_remove_handle(asking->multi, asking->easy);
        if (asking->easy)
                mf_curl.easy_cleanup(asking->easy);
        asking->easy = NULL;
        if (asking->multi)
                mf_curl.multi_cleanup(asking->multi);
        asking->multi = NULL;
        asking->socket = mf_close(asking->socket);
        asking->polled = -1;
        asking->timer_us = 0;
        mf_buffer_clear(&asking->body);
}

static void set_options(struct asking *asking, const struct mayfly_wait *o)
{
        CURL *c = asking->easy;

        mf_curl.easy_setopt(c, CURLOPT_URL, asking->url);
        mf_curl.easy_setopt(c, CURLOPT_RESOLVE, asking->resolve);
        mf_curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        mf_curl.easy_setopt(c, CURLOPT_PROXY, "");
        mf_curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        mf_curl.easy_setopt(c, CURLOPT_USERAGENT, "mayfly");
        mf_curl.easy_setopt(c, CURLOPT_HTTPHEADER, asking->headers);
        mf_curl.easy_setopt(c, CURLOPT_TIMEOUT_MS, ATTEMPT_MS);
        mf_curl.easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, give_socket);
        mf_curl.easy_setopt(c, CURLOPT_OPENSOCKETDATA, asking);
        mf_curl.easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, is_connected);
        mf_curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
        mf_curl.easy_setopt(c, CURLOPT_WRITEDATA, asking);
        mf_curl.easy_setopt(c, CURLOPT_ERRORBUFFER, asking->problem);
        if (o->http_user) {
                mf_curl.easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
                mf_curl.easy_setopt(c, CURLOPT_USERNAME, o->http_user);
                mf_curl.easy_setopt(c, CURLOPT_PASSWORD, o->http_password ? o->http_password : "");
        }
        if (o->http_insecure) {
                mf_curl.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
                mf_curl.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
        }
        if (o->http_ca_file)
                mf_curl.easy_setopt(c, CURLOPT_CAINFO, o->http_ca_file);
}

/* Makes the handles of an attempt over asking->socket. Returns 0 or -ENOMEM. */
static int begin(struct asking *asking, const struct mayfly_wait *o)
{
        asking->begin_us = mf_now_us();
        asking->problem[0] = '\0';
        asking->multi = mf_curl.multi_init();
        asking->easy = mf_curl.easy_init();
        if (!asking->multi || !asking->easy)
                return -ENOMEM;
        mf_curl.multi_setopt(asking->multi, CURLMOPT_SOCKETFUNCTION, note_socket);
        mf_curl.multi_setopt(asking->multi, CURLMOPT_SOCKETDATA, asking);
        mf_curl.multi_setopt(asking->multi, CURLMOPT_TIMERFUNCTION, note_timer);
        mf_curl.multi_setopt(asking->multi, CURLMOPT_TIMERDATA, asking);
        set_options(asking, o);
        return mf_curl.multi_add_handle(asking->multi, asking->easy) == CURLM_OK ? 0 : -ENOMEM;
}

/* Lets libcurl do what it can without waiting. Returns 1 when the attempt has ended, with *ret its result. */
static int go_on(struct asking *asking, CURLcode *ret)
{
        struct pollfd fd = { .fd = asking->polled, .events = asking->events };
        struct mf_sigpipe sigpipe;
        CURLMsg *message;
        int running = 0, left = 0, action = 0;

        if (asking->polled >= 0 && poll(&fd, 1, 0) > 0)
                action = (fd.revents & (POLLIN | POLLHUP | POLLERR) ? CURL_CSELECT_IN : 0) |
                         (fd.revents & POLLOUT ? CURL_CSELECT_OUT : 0);
        mf_sigpipe_block(&sigpipe);
        if (action)
                mf_curl.multi_socket_action(asking->multi, fd.fd, action, &running);
        else if (asking->timer_us && asking->timer_us <= mf_now_us())
                mf_curl.multi_socket_action(asking->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        mf_sigpipe_restore(&sigpipe);
        while ((message = mf_curl.multi_info_read(asking->multi, &left)))
                if (message->msg == CURLMSG_DONE) {
                        *ret = message->data.result;
                        return 1;
                }
        return 0;
}

/* Whether the answer is the wanted one. Notes what it is. */
static int judge(struct asking *asking, const struct mayfly_wait *o, CURLcode result)
{
        long status = 0;
        char line[100], shown[100];

        asking->n_ended++;
        if (result != CURLE_OK) {
                snprintf(asking->last, sizeof(asking->last), "%s",
                         *asking->problem ? asking->problem : mf_curl.easy_strerror(result));
                return 0;
        }
        mf_curl.easy_getinfo(asking->easy, CURLINFO_RESPONSE_CODE, &status);
        const char *body = asking->body.data ? asking->body.data : "";
        snprintf(line, sizeof(line), "%.*s", (int) strcspn(body, "\r\n"), body);
        mf_escape(shown, sizeof(shown), line);
        int has_body = !o->http_body || memmem(body, asking->body.size, o->http_body, strlen(o->http_body)) != NULL;
        snprintf(asking->last, sizeof(asking->last), "status %ld%s%.80s%s%s", status, *shown ? ", \"" : "", shown,
                 *shown ? "\"" : "", has_body ? "" : ", without the wanted text");
        return has_body && mf_status_set_has(o->http_status, (unsigned) status);
}

/* --- the condition ---------------------------------------------------------------------------------------------- */

/* Connects to the server. Returns 1 when it did, 0 when nothing listens or takes the connection, or negative errno. */
static int connect_to(struct asking *asking, struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int r = 1, is_looked_for = asking->port.kind == MF_FORWARD_TCP && !mf_link_activated(container, &asking->port);

        asking->is_full = 0;
        if (is_looked_for && asking->netlink < 0) {
                asking->netlink = mf_open_diag(container, IPPROTO_TCP, &why);
                r = asking->netlink < 0 ? asking->netlink : 1;
        }
        if (r == 1 && is_looked_for)
                r = mf_port_listens(asking->netlink, IPPROTO_TCP, (uint16_t) asking->port.port, asking->looks++);
        if (r == 1) {
                r = mf_container_connect_within(container, asking->port_text, CONNECT_MS, &asking->socket, &why);
                asking->is_full = r == -EAGAIN || r == -ETIMEDOUT;
        }
        if (r >= 0)
                return asking->socket >= 0;
        if (asking->is_full || r == -EAGAIN || r == -ECONNREFUSED || r == -ENOENT)
                return 0;
        if (r == -ESRCH) /* the container's death is seen elsewhere */
                return 0;
        return mf_error(err, r, why.code ? why.stage : MAYFLY_STAGE_WAIT, "%s",
                        why.code ? why.message : "asking the kernel for the sockets of the container");
}

/* How long to pause before the next request. A server logs each, so that there are ever fewer: the ready answer comes late by a
 * sixteenth of the time since the first one, and by 20 ms at most. */
static uint64_t pause_us(struct asking *asking)
{
        uint64_t now = mf_now_us(), pause = mf_pace_pause_us(now - asking->begin_us, 1);

        if (!asking->first_us)
                asking->first_us = now;
        uint64_t late = (now - asking->first_us) / LATE_SHARE;
        if (late > LATE_MAX_US)
                late = LATE_MAX_US;
        return pause > late ? pause : late;
}

static int look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        struct asking *asking = condition->data;
        CURLcode result = CURLE_OK;

        if (!asking->easy) {
                int r = connect_to(asking, container, err);
                if (r <= 0)
                        return r;
                if (begin(asking, &condition->options) < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_WAIT);
        }
        if (!go_on(asking, &result)) {
                condition->next_look_us = asking->timer_us ? asking->timer_us : UINT64_MAX;
                return 0;
        }
        int r = judge(asking, &condition->options, result);
        end(asking);
        condition->next_look_us = mf_now_us() + pause_us(asking);
        return r;
}

static size_t poll_fds(const struct mf_condition *condition, struct pollfd *ret)
{
        const struct asking *asking = condition->data;

        if (asking->polled < 0)
                return 0;
        *ret = (struct pollfd){ .fd = asking->polled, .events = asking->events };
        return 1;
}

static void describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        const struct asking *asking = condition->data;

        (void) container;
        if (asking->n_ended)
                snprintf(seen, size, "the last of %u answer%s: %s", asking->n_ended, asking->n_ended == 1 ? "" : "s",
                         asking->last);
        else if (asking->easy)
                snprintf(seen, size, "the server took the connection, but does not answer");
        else if (asking->is_full)
                snprintf(seen, size, "the server takes no connection; its queue is full");
        else if (asking->port.kind == MF_FORWARD_TCP && asking->netlink >= 0)
                mf_port_describe(asking->netlink, IPPROTO_TCP, seen, size);
        else
                snprintf(seen, size, "nothing listens");
}

static void clear(struct mf_condition *condition)
{
        struct asking *asking = condition->data;

        if (!asking)
                return;
        end(asking);
        if (asking->headers)
                mf_curl.slist_free_all(asking->headers);
        if (asking->resolve)
                mf_curl.slist_free_all(asking->resolve);
        mf_close(asking->netlink);
        free(asking->url);
        free(asking);
}

const struct mf_condition_type mf_condition_http = {
        .check = check, .resolve = resolve, .look = look, .poll_fds = poll_fds, .describe = describe, .clear = clear
};
