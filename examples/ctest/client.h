/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_H
#define CLIENT_H

/* A client in a few lines, for C and C++. */

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connects to the first published port of a container: `variable` is the beginning of its variables' names, such as "MAYFLY_DB".
 * Returns a socket, or -1. */
static inline int client_connect(const char *variable)
{
        char host[64], port[64];
        struct addrinfo *address = NULL;

        snprintf(host, sizeof(host), "%s_HOST", variable);
        snprintf(port, sizeof(port), "%s_PORT", variable);
        if (!getenv(host) || !getenv(port) || getaddrinfo(getenv(host), getenv(port), NULL, &address) != 0)
                return -1;
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
                close(fd);
                fd = -1;
        }
        freeaddrinfo(address);
        return fd;
}

/* Sends a request, and reads what comes until the other side closes. Returns `answer`. */
static inline const char *client_ask(const char *variable, const char *request, char *answer, size_t size)
{
        int fd = client_connect(variable);
        size_t n = 0;
        ssize_t got = 0;

        if (fd >= 0 && write(fd, request, strlen(request)) == (ssize_t) strlen(request) && shutdown(fd, SHUT_WR) == 0)
                while (n < size - 1 && (got = read(fd, answer + n, size - 1 - n)) > 0)
                        n += (size_t) got;
        answer[n] = '\0';
        if (fd >= 0)
                close(fd);
        return answer;
}

#endif
