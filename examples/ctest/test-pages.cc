// SPDX-License-Identifier: MIT
#include <string>

#include <gtest/gtest.h>

#include "client.h"

static std::string ask(const char *variable, const char *request)
{
        char answer[4096];

        return client_ask(variable, request, answer, sizeof(answer));
}

static bool contains(const std::string &text, const char *part)
{
        return text.find(part) != std::string::npos;
}

TEST(Web, Page)
{
        EXPECT_TRUE(contains(ask("MAYFLY_WEB", "GET /index.html HTTP/1.0\r\n\r\n"), "<h1>It works</h1>"));
}

TEST(Web, Missing)
{
        EXPECT_TRUE(contains(ask("MAYFLY_WEB", "GET /other.html HTTP/1.0\r\n\r\n"), "404 Not Found"));
}

TEST(Web, Relayed)
{
        EXPECT_TRUE(contains(ask("MAYFLY_RELAY", "GET /index.html HTTP/1.0\r\n\r\n"), "<h1>It works</h1>"));
}

TEST(Cache, Flush)
{
        EXPECT_EQ(ask("MAYFLY_CACHE", "set c 3\nflush\ncount\n"), "ok\nok\n0\n");
}
