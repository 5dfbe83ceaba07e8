/* SPDX-License-Identifier: MIT */
/* An nginx, asked by libcurl over a socket that is connected in the container: no port of the host is used. */
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <mayfly/cmocka.h>

#include "services-image.h"

static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = SERVICES_IMAGE,
                                                      .entrypoint = MAYFLY_STRINGS("nginx", "-g", "daemon off;"),
                                                      .publish = MAYFLY_PORTS({ .port = 80 })));
}

static curl_socket_t open_socket(void *container, curlsocktype purpose, struct curl_sockaddr *address)
{
        (void) purpose, (void) address;
        return mayfly_cmocka_connect(container, "80/tcp");
}

static int is_connected(void *container, curl_socket_t fd, curlsocktype purpose)
{
        (void) container, (void) fd, (void) purpose;
        return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static void nginx_says_welcome(void **state)
{
        CURL *curl = curl_easy_init();
        FILE *body = tmpfile();
        char text[1024];
        long status = 0;

        curl_easy_setopt(curl, CURLOPT_URL, "http://127.0.0.1/");
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, *state);
        curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, is_connected);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        assert_int_equal(status, 200);
        curl_easy_cleanup(curl);
        rewind(body);
        text[fread(text, 1, sizeof(text) - 1, body)] = '\0';
        fclose(body);
        assert_non_null(strstr(text, "Welcome to nginx!"));
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(nginx_says_welcome, setup,
                                                                            mayfly_cmocka_stop) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
