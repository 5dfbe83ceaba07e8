/* SPDX-License-Identifier: MIT */
#ifndef SERVER_H
#define SERVER_H

/* A small real HTTP/1.1 server on 127.0.0.1 whose paths misbehave as scripted, and which remembers what it was asked.
 * One thread a connection. */

#include <stddef.h>

struct faulty_server;

enum faulty_flags {
        FAULTY_CLOSE_ENDS = 1 << 0,    /* no Content-Length; the connection's end is the body's */
        FAULTY_CHUNKED = 1 << 1,       /* Transfer-Encoding: chunked */
        FAULTY_NO_RANGES = 1 << 2,     /* Range is ignored */
        FAULTY_NO_ETAG = 1 << 3,       /* neither ETag nor Last-Modified */
        FAULTY_DATE = 1 << 4,          /* Last-Modified in place of ETag */
        FAULTY_CUT = 1 << 5,           /* the body ends after `cut` bytes, and so does the connection */
        FAULTY_RESET = 1 << 6,         /* likewise, by a reset */
        FAULTY_STALL = 1 << 7,         /* nothing more after `cut` bytes of body; the connection stays */
        FAULTY_SILENT = 1 << 8,        /* no answer at all; the connection stays */
        FAULTY_GARBAGE = 1 << 9,       /* an answer that is not HTTP */
        FAULTY_ENDLESS_HEAD = 1 << 10, /* headers that do not end */
        FAULTY_ENDLESS_BODY = 1 << 11, /* `body` over and over, chunked */
        FAULTY_NO_CONTENT_RANGE = 1 << 12,
};

/* One path. Zero everywhere serves `body` well: Content-Length, ETag, ranges, keep-alive. */
struct faulty_path {
        const char *path;
        const void *body; /* borrowed until faulty_stop() */
        size_t size;
        /* The faults below meet only the first `times` requests; 0: all. */
        unsigned times;
        unsigned flags;
        size_t cut;
        int status;              /* 0: 200, or 206 when a range is asked for */
        const char *location;    /* borrowed */
        const char *retry_after; /* borrowed */
        const char *page;        /* borrowed; the body of an answer with another status; default "sorry" */
        /* These are no faults, and stay. All are borrowed. */
        const char *wants;     /* value of Authorization without which the answer is 401 */
        const char *challenge; /* WWW-Authenticate of that answer; line ends may separate several headers */
        const char *type;      /* Content-Type */
        int spurns;            /* an Authorization is answered with 400, as stores of objects do */
        const char *etag;      /* borrowed; default one that stands for the size */
        long length_off;       /* added to Content-Length */
        long range_off;        /* added to the start in Content-Range, the body being what it should be */
        long total_off;        /* added to the total in Content-Range */
        size_t chunk;          /* bytes sent at a time, with delay_ms between; 0: all at once */
        unsigned delay_ms;
};

struct faulty_server *faulty_start(void);
/* Likewise in TLS, with the certificate and key in this file (PEM). */
struct faulty_server *faulty_start_tls(const char *certificate);
int faulty_port(const struct faulty_server *server);
/* A path of a name that is there already replaces it, its count of faults begun anew. */
void faulty_add(struct faulty_server *server, const struct faulty_path *path);
/* How often `path` was asked for. */
unsigned faulty_count(struct faulty_server *server, const char *path);
/* The head (request line and headers) of the nth request for `path`, from 0; "" when there was none. Borrowed. */
const char *faulty_head(struct faulty_server *server, const char *path, unsigned n);
/* Ends every connection, joins every thread. */
void faulty_stop(struct faulty_server *server);

#endif
