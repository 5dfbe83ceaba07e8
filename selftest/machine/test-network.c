/* SPDX-License-Identifier: MIT */

/* Networks that containers share: names, addresses, cuts, and how they end. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/network.h>

#include "support/containers.h"
#include "support/host.h"
#include "support/small-image.h"

#define SERVE "talk", "serve", "7000"
/* Long against the pause of talk, so that what still stands after it does not just rest. */
#define REST_US 300000U

static const char *image, *with_hosts;

struct world {
        struct mayfly_network *network;
        struct mayfly_container *db, *web, *client;
};

static struct mayfly_network *make_network(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_network *network = NULL;

        if (mayfly_network_create(&network, &err) < 0)
                fail_msg("%s", err.message);
        return network;
}

/* Starts a member: a server if `argv` is NULL. */
static struct mayfly_container *start_member(struct mayfly_network *network, const char *name, const char *alias,
                                             const char *const *argv)
{
        static const char *const serve[] = { SERVE, NULL };
        struct mayfly_network *const networks[] = { network, NULL };
        const char *const aliases[] = { alias, NULL };
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, .name = name, .networks = networks,
                                                                 .aliases = aliases, .argv = argv ? argv : serve));

        if (!argv)
                await_output(c);
        return c;
}

static int set_up(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->network = make_network();
        world->db = start_member(world->network, "db", "primary", NULL);
        world->web = start_member(world->network, "web", "api", NULL);
        world->client = start_member(world->network, "client", NULL, NULL);
        *state = world;
        return 0;
}

static int tear_down(void **state)
{
        struct world *world = *state;

        mayfly_container_free(world->client);
        mayfly_container_free(world->web);
        mayfly_container_free(world->db);
        mayfly_network_free(world->network);
        free(world);
        return 0;
}

static void prints(struct mayfly_container *c, const char *line, const char *expected)
{
        prints_as(c, NULL, line, expected);
}

/* Whether the container can talk to this name, over TCP. */
static int reaches(struct mayfly_container *c, const char *name)
{
        char line[300];

        snprintf(line, sizeof(line), "test \"$(echo hello | timeout 20 nc -w 20 %s 7000)\" = hello", name);
        return sh(c, line) == 0;
}

/* Whether this member answers at none of its addresses. */
static int hears_nothing(struct mayfly_container *c, const char *name)
{
        char line[300];

        snprintf(line, sizeof(line),
                 "! (for a in $(grep -w %s /etc/hosts | cut -f1); do talk try $a 7000; done | grep -q 'an answer')",
                 name);
        return sh(c, line) == 0;
}

static int reaches_by(struct mayfly_container *c, const char *family, const char *name)
{
        char line[300];

        snprintf(line, sizeof(line), "ping %s -c1 -W1 %s >/dev/null", family, name);
        return sh(c, line) == 0;
}

static int has_ipv6(struct mayfly_container *c)
{
        return sh(c, "grep -q '^fd6d:.*client' /etc/hosts") == 0;
}

/* Sends the datagram to the member with the alias primary, at the address that matches. */
static void says(struct mayfly_container *c, const char *column, const char *expected)
{
        char line[200];

        snprintf(line, sizeof(line), "talk say $(grep '%s.*primary' /etc/hosts | cut -f1) 7000", column);
        prints(c, line, expected);
}

/* --- names ---------------------------------------------------------------------------------------------------- */

static void members_talk_by_name_and_alias(void **state)
{
        struct world *w = *state;
        struct mayfly_container *const all[] = { w->db, w->web, w->client };
        const char *const names[] = { "db", "primary", "web", "api", "client", mayfly_container_name(w->db) };

        for (size_t i = 0; i < 3; i++)
                for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
                        if (!reaches(all[i], names[n]))
                                fail_msg("container %zu does not reach %s", i, names[n]);
                        assert_true(reaches_by(all[i], "-4", names[n]));
                        assert_true(!has_ipv6(w->client) || reaches_by(all[i], "-6", names[n]));
                }
        says(w->web, "^100[.]", "hello\n");
        if (has_ipv6(w->client))
                says(w->web, "^fd6d:", "hello\n");
}

/* Root inside must not find a way out through it, and no test that of another. */
static void a_network_leads_nowhere_else(void **state)
{
        struct world *w = *state;
        struct mayfly_network *other = make_network();
        struct mayfly_container *stranger = start_member(other, "stranger", NULL, NULL);

        prints(w->web, "ip route | grep -c default", "0\n");
        assert_false(reaches(w->web, "stranger"));
        assert_false(reaches(stranger, "db"));
        prints(stranger, "grep -cw -e db -e web /etc/hosts", "0\n");
        /* An address of another network, or of the host, is none of this one. */
        prints(w->web, "for i in $(seq 2 20); do talk try 100.64.$i.1 7000; done | grep -c 'an answer'", "0\n");
        prints(stranger, "for i in $(seq 1 20); do talk try 100.64.$i.2 7000; done | grep -c 'an answer'", "0\n");
        mayfly_container_free(stranger);
        mayfly_network_free(other);
}

static void who_joins_and_leaves_is_in_the_files(void **state)
{
        struct world *w = *state;
        struct mayfly_container *late = start_member(w->network, "late", "replica", NULL);

        assert_true(reaches(w->db, "replica"));
        mayfly_container_free(late);
        prints(w->db, "grep -c 'late\\|replica' /etc/hosts", "0\n");
        prints(w->db, "grep -c . /etc/hosts; grep -c ^ /etc/hosts", has_ipv6(w->client) ? "8\n8\n" : "5\n5\n");
        prints(w->db, "grep -c 'web.*api' /etc/hosts", has_ipv6(w->client) ? "2\n" : "1\n");
}

static void an_alias_can_be_of_two(void **state)
{
        struct world *w = *state;
        struct mayfly_container *second = start_member(w->network, "second", "primary", NULL);

        prints(w->web, "grep -v : /etc/hosts | grep -c -w primary", "2\n");
        mayfly_container_free(w->db);
        w->db = NULL;
        assert_true(reaches(w->web, "primary"));
        mayfly_container_free(second);
}

static void the_images_own_entries_are_kept(void **state)
{
        struct world *w = *state;
        struct mayfly_network *const networks[] = { w->network, NULL };
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = with_hosts, .name = "own", .networks = networks));

        prints(c, "grep -c '^10.1.2.3 from-the-image$' /etc/hosts; head -n1 /etc/hosts",
               "1\n10.1.2.3 from-the-image\n");
        assert_true(reaches(c, "db"));
        prints(c, "test ! -e /etc/.hosts.mayfly && stat -c '%a %u' /etc/hosts", "644 0\n");
        mayfly_container_free(c);
}

/* The app finds its interfaces and names as soon as it starts. */
static void the_app_starts_when_its_networks_are_there(void **state)
{
        struct world *w = *state;
        const char *const argv[] = {
                "sh", "-c", "echo hello | nc -w 2 db 7000 && ping -c1 -W1 $(hostname) | grep -o '^PING.*100.64'", NULL
        };
        struct mayfly_exit how = MAYFLY_EXIT_INIT;

        for (int i = 0; i < 5; i++) {
                struct mayfly_container *c = start_member(w->network, "early", NULL, argv);
                char *log = NULL;
                assert_int_equal(mayfly_container_wait(c, FOREVER_MS, &how, NULL), 0);
                assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
                if (how.status != 0)
                        fail_msg("%s", log);
                free(log);
                mayfly_container_free(c);
        }
}

static void a_container_can_be_on_several(void **state)
{
        struct world *w = *state;
        struct mayfly_network *other = make_network();
        struct mayfly_container *far = start_member(other, "far", NULL, NULL);
        struct mayfly_network *const networks[] = { w->network, other, NULL };
        const char *const argv[] = { SERVE, NULL };
        struct mayfly_container *both =
                start_container(MAYFLY_SPEC(.image = image, .name = "both", .networks = networks, .argv = argv));

        await_output(both);
        assert_true(reaches(both, "db") && reaches(both, "far"));
        assert_true(reaches(w->db, "both") && reaches(far, "both"));
        assert_false(reaches(w->db, "far"));
        prints(both, "ip -4 addr | grep -c 'eth[01]$'", "2\n");
        mayfly_container_free(both);
        mayfly_container_free(far);
        mayfly_network_free(other);
}

/* --- cuts ----------------------------------------------------------------------------------------------------- */

static void must(int r, const struct mayfly_error *err)
{
        if (r < 0)
                fail_msg("%s", err->message);
}

static void cut(struct world *w, const struct mayfly_container *a, const struct mayfly_container *b)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        must(mayfly_network_cut(w->network, a, b, &err), &err);
}

static void mend(struct world *w, const struct mayfly_container *a, const struct mayfly_container *b)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        must(mayfly_network_mend(w->network, a, b, &err), &err);
}

static void a_pair_is_cut_and_mended(void **state)
{
        struct world *w = *state;

        cut(w, w->web, w->db);
        assert_true(hears_nothing(w->web, "db") && hears_nothing(w->db, "web"));
        assert_false(reaches_by(w->web, "-4", "db"));
        prints(w->web, "talk try $(grep -v : /etc/hosts | grep -w primary | cut -f1) 7000", "silence\n");
        assert_true(reaches(w->web, "client") && reaches(w->db, "client"));
        cut(w, w->web, w->db);
        mend(w, w->db, w->web);
        assert_true(reaches(w->web, "db") && reaches(w->db, "web"));
        mend(w, w->db, w->web);
}

static void a_member_is_cut_off_from_all(void **state)
{
        struct world *w = *state;

        cut(w, w->db, NULL);
        struct mayfly_container *late = start_member(w->network, "late", NULL, NULL);
        assert_true(hears_nothing(w->web, "db") && hears_nothing(w->db, "client") && hears_nothing(late, "db") &&
                    hears_nothing(w->db, "late"));
        assert_true(reaches(w->web, "client") && reaches(late, "web") && reaches(w->db, "db"));
        mend(w, w->db, w->web);
        assert_true(reaches(w->web, "db"));
        assert_true(hears_nothing(late, "db"));
        mend(w, w->db, NULL);
        assert_true(reaches(late, "db") && reaches(w->db, "client"));
        mayfly_container_free(late);
}

/* How many datagrams the server got. */
static unsigned count_datagrams(struct mayfly_container *c)
{
        char *log = NULL;
        unsigned n = 0;

        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        for (const char *at = log; (at = strstr(at, "a datagram\n")); at++)
                n++;
        free(log);
        return n;
}

/* Nothing that db sends gets to web: no answer, but web's packets arrive. */
static void one_direction_is_cut(void **state)
{
        struct world *w = *state;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        must(mayfly_network_cut_one_way(w->network, w->db, w->web, &err), &err);
        unsigned before = count_datagrams(w->db);
        says(w->web, "^100[.]", "");
        while (count_datagrams(w->db) == before) /* the log has it a moment later */
                usleep(1000);
        assert_int_equal(count_datagrams(w->db), before + 1);
        assert_true(hears_nothing(w->web, "db"));
        mend(w, w->web, w->db);
        assert_true(reaches(w->web, "db"));
}

/* The number of answers that came over the held connection. */
static unsigned long answers(struct mayfly_container *c)
{
        const char *const argv[] = { "cat", "/answers", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        __attribute__((cleanup(free_result))) struct mayfly_result *r = NULL;

        command.argv = argv;
        must(mayfly_container_run(c, &command, &r, &err), &err);
        return strtoul(r->out, NULL, 10);
}

/* Waits until more answers came. */
static void await_answers(struct mayfly_container *c, unsigned long than)
{
        while (answers(c) <= than)
                usleep(10000);
}

static void an_open_connection(struct world *w, const char *column)
{
        char line[200];
        const char *const argv[] = { "sh", "-c", line, NULL };

        snprintf(line, sizeof(line), "exec talk hold $(grep '%s.*primary' /etc/hosts | cut -f1) 7000 /answers", column);
        struct mayfly_container *c = start_member(w->network, "holder", NULL, argv);
        await_answers(c, 2);
        cut(w, c, w->db);
        unsigned long before = answers(c);
        usleep(REST_US);
        assert_true(answers(c) - before <= 1); /* one may have been on its way to the file */
        before = answers(c);
        usleep(REST_US);
        assert_int_equal(answers(c), before);
        mend(w, w->db, c);
        await_answers(c, before + 2); /* over the same connection, or talk would have ended */
        mayfly_container_free(c);
}

static void an_open_connection_stands_still_and_goes_on(void **state)
{
        struct world *w = *state;

        an_open_connection(w, "^100[.]");
        if (has_ipv6(w->client))
                an_open_connection(w, "^fd6d:");
}

/* What root inside can try, without and with the capability. */
static void root_inside_cannot_undo_a_cut(void **state)
{
        static const char undo[] =
                "ip link set eth0 down; ip link set eth0 address 02:6d:00:01:00:fa; ip link set eth0 up;"
                "ip neigh flush dev eth0; ip addr flush dev eth0; ip addr add 100.64.1.99/24 dev eth0;"
                "ip link add link eth0 name v type vlan id 1; ip link set v up; true";
        struct world *w = *state;
        struct mayfly_network *const networks[] = { w->network, NULL };
        const char *const capabilities[] = { "CAP_NET_ADMIN", NULL };
        const char *const argv[] = { SERVE, NULL };
        struct mayfly_container *mighty =
                start_container(MAYFLY_SPEC(.image = image, .name = "mighty", .networks = networks, .argv = argv,
                                            .capabilities = capabilities));

        await_output(mighty);
        prints(w->db, "ip link set eth0 down 2>&1 | grep -c 'not permitted'", "1\n");
        cut(w, w->db, NULL);
        cut(w, mighty, w->web);
        sh(w->db, undo);
        assert_true(hears_nothing(w->db, "web") && hears_nothing(w->web, "db"));
        sh(mighty, undo);
        assert_true(hears_nothing(mighty, "web") && hears_nothing(w->web, "mighty"));
        mayfly_container_free(mighty);
        mend(w, w->db, NULL);
        assert_true(reaches(w->db, "web"));
}

/* --- ends ----------------------------------------------------------------------------------------------------- */

static void a_killed_member_is_replaced(void **state)
{
        struct world *w = *state;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit how = MAYFLY_EXIT_INIT;
        const char *const argv[] = { "sh", "-c", "kill $(pidof talk)", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        __attribute__((cleanup(free_result))) struct mayfly_result *result = NULL;

        command.argv = argv;
        (void) mayfly_container_run(w->db, &command, &result, NULL); /* which may die with the container */
        (void) mayfly_container_wait(w->db, FOREVER_MS, &how, NULL);
        while (mayfly_network_cut(w->network, w->db, w->web, NULL) != -ESRCH)
                usleep(1000); /* it ends after its app */
        assert_int_equal(mayfly_network_mend(w->network, w->db, w->web, &err), -ESRCH);
        assert_non_null(strstr(err.message, "it has ended"));
        struct mayfly_container *second = start_member(w->network, "db", "primary", NULL);
        prints(w->web, "grep -v : /etc/hosts | grep -c -w primary", "1\n");
        assert_true(reaches(w->web, "primary") && reaches(w->client, "primary"));
        mayfly_container_free(second);
        assert_true(reaches(w->web, "client"));
}

static void numbers_of_members_go_round(void **state)
{
        struct world *w = *state;

        cut(w, w->web, w->db);
        mayfly_container_free(w->db);
        w->db = start_member(w->network, "db", "primary", NULL);
        assert_true(reaches(w->web, "db"));
        cut(w, w->web, NULL);
        mayfly_container_free(w->db);
        w->db = start_member(w->network, "db", "primary", NULL);
        assert_true(hears_nothing(w->web, "db"));
        mend(w, w->web, NULL);
        assert_true(reaches(w->web, "db"));
}

static void a_network_lives_as_long_as_its_members(void **state)
{
        struct world *w = *state;
        struct mayfly_network *const networks[] = { w->network, NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        mayfly_network_free(w->network);
        assert_true(reaches(w->web, "db"));
        assert_int_equal(mayfly_container_start(&c, MAYFLY_SPEC(.image = image, .networks = networks), &err), -EINVAL);
        assert_string_equal(err.message, "networks[0] of the spec was freed; call mayfly_network_free() after the last "
                                         "use of the handle");
        assert_int_equal(mayfly_network_cut(w->network, w->db, w->web, NULL), -EINVAL);
        mayfly_network_free(w->network); /* which does nothing */
        assert_true(reaches(w->web, "db"));
}

static void a_forked_child_has_no_part_in_it(void **state)
{
        struct world *w = *state;
        int status;

        pid_t pid = fork();
        if (pid == 0) {
                struct mayfly_network *const networks[] = { w->network, NULL };
                struct mayfly_container *c = NULL;
                int r = mayfly_network_cut(w->network, w->db, w->web, NULL) == -ECHILD &&
                        mayfly_container_start(&c, MAYFLY_SPEC(.image = image, .networks = networks), NULL) == -ECHILD;
                mayfly_container_free(w->db);
                mayfly_network_free(w->network);
                _exit(!r);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        prints(w->web, "grep -v : /etc/hosts | grep -c -w primary", "1\n");
        assert_true(reaches(w->web, "db"));
}

#define SPEC(...) MAYFLY_SPEC(.image = image, .idle = 1, __VA_ARGS__)

static void wrong_specs_are_refused(void **state)
{
        struct mayfly_network *network = make_network(), *list[10] = { network, network };
        struct mayfly_network *const one[] = { network, NULL };
        const char *many[66] = { "a.b-c" };
        int nothing = 0;

        (void) state;
        start_fails(SPEC(.networks = list), -EINVAL, "networks[0] and networks[1] of the spec are the same");
        start_fails(SPEC(.networks = one, .network = MAYFLY_NETWORK_HOST), -EINVAL,
                    "both networks and MAYFLY_NETWORK_HOST");
        start_fails(SPEC(.aliases = many), -EINVAL, "aliases, but no networks");
        many[1] = "under_score";
        start_fails(
                SPEC(.networks = one, .aliases = many), -EINVAL,
                "the alias \"under_score\" of the spec is no host name: it may have letters, digits, \"-\" and \".\"");
        for (size_t i = 0; i < 65; i++)
                many[i] = "name";
        start_fails(SPEC(.networks = one, .aliases = many), -E2BIG, "more than 64 aliases");
        list[0] = (struct mayfly_network *) (void *) &nothing;
        start_fails(SPEC(.networks = list), -EINVAL, "networks[0] of the spec was not made by mayfly_network_create()");
        for (size_t i = 0; i < 9; i++)
                list[i] = make_network();
        start_fails(SPEC(.networks = list), -E2BIG, "more than 8 networks");
        for (size_t i = 0; i < 9; i++)
                mayfly_network_free(list[i]);
        mayfly_network_free(network);
        many[64] = NULL;
        start_fails(SPEC(.networks = one, .aliases = many), -EINVAL, "networks[0] of the spec was freed");
}

static void wrong_cuts_are_refused(void **state)
{
        struct world *w = *state;
        struct mayfly_network *other = make_network();
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        assert_int_equal(mayfly_network_cut(other, w->db, w->web, &err), -ENOENT);
        assert_non_null(strstr(err.message, "is not on the network"));
        assert_int_equal(mayfly_network_cut(w->network, w->db, w->db, NULL), -EINVAL);
        assert_int_equal(mayfly_network_cut_one_way(w->network, w->db, NULL, NULL), -EINVAL);
        assert_int_equal(mayfly_network_cut(w->network, NULL, w->web, NULL), -EINVAL);
        assert_true(reaches(w->web, "db"));
        mayfly_network_free(other);
}

static void descriptors_are_closed(void **state)
{
        unsigned before = count_descriptors();
        void *own = NULL;

        (void) state;
        set_up(&own);
        cut(own, ((struct world *) own)->db, NULL);
        tear_down(&own);
        assert_int_equal(count_descriptors(), before);
}

int main(void)
{
        image = small_image("talk", NULL, "cp " TALK " bin/");
        with_hosts = small_image("hosts", NULL,
                                 "echo '10.1.2.3 from-the-image' >etc/hosts-of-image; ln -s hosts-of-image etc/hosts");
        /* These leave the network and its three members as they found them. */
        const struct CMUnitTest together[] = {
                cmocka_unit_test(members_talk_by_name_and_alias),
                cmocka_unit_test(a_network_leads_nowhere_else),
                cmocka_unit_test(who_joins_and_leaves_is_in_the_files),
                cmocka_unit_test(the_images_own_entries_are_kept),
                cmocka_unit_test(the_app_starts_when_its_networks_are_there),
                cmocka_unit_test(a_container_can_be_on_several),
                cmocka_unit_test(a_pair_is_cut_and_mended),
                cmocka_unit_test(a_member_is_cut_off_from_all),
                cmocka_unit_test(one_direction_is_cut),
                cmocka_unit_test(an_open_connection_stands_still_and_goes_on),
                cmocka_unit_test(root_inside_cannot_undo_a_cut),
                cmocka_unit_test(wrong_cuts_are_refused),
                cmocka_unit_test(a_forked_child_has_no_part_in_it),
        };
        const struct CMUnitTest alone[] = {
                cmocka_unit_test_setup_teardown(an_alias_can_be_of_two, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_killed_member_is_replaced, set_up, tear_down),
                cmocka_unit_test_setup_teardown(numbers_of_members_go_round, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_network_lives_as_long_as_its_members, set_up, tear_down),
                cmocka_unit_test(wrong_specs_are_refused),
                cmocka_unit_test(descriptors_are_closed),
        };

        int failed = cmocka_run_group_tests(together, set_up, tear_down);
        return failed + cmocka_run_group_tests(alone, NULL, NULL);
}
