/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/trust.h>

#include "cli/cli.h"

static const char trust_usage[] =
        "Usage: mayfly trust (--prefix PREFIX | --root) [OPTION]... [KEYFILE | URL]\n"
        "       mayfly trust --list [--prefix PREFIX | --root] [--json]\n"
        "       mayfly trust --remove FINGERPRINT [--prefix PREFIX | --root]\n"
        "\n"
        "Makes keys trusted to sign images. Without a file or URL they are discovered: the host of PREFIX says where "
        "they\n"
        "are. Each is shown, and asked about on the terminal; compare its fingerprint with one that you had by another "
        "way.\n"
        "\n"
        "  --prefix PREFIX   for the image of this name, and those whose names begin with it and a \"/\"\n"
        "  --root            for every name\n"
        "  --fingerprint FP  this key only; without a terminal, that is the consent\n"
        "  --yes             do not ask; needs --fingerprint\n"
        "  --list            list the trusted keys\n"
        "  --remove FP       trust this key no more\n"
        "  --json            print the list as a JSON array\n"
        "  --allow-http      plain http to other hosts is fine\n"
        "  --help            print this\n"
        "\n"
        "Exit status: 0, or 1 when it could not be done or no key was trusted, or 2 for misuse.\n";

struct choices {
        int list, json, yes, asks;
        const char *remove;
        unsigned n; /* keys that were told of */
        struct mayfly_trust_options trust;
        struct mayfly_image_options image;
};

static const char *date(int64_t when, char text[32])
{
        time_t t = (time_t) when;
        struct tm tm;

        if (!gmtime_r(&t, &tm) || strftime(text, 32, "%Y-%m-%d", &tm) == 0)
                snprintf(text, 32, "?");
        return text;
}

/* In groups of four, as gpg does, to be compared with ease. */
static void print_fingerprint(const char *fingerprint)
{
        for (size_t i = 0; fingerprint[i]; i++)
                printf("%s%c", i > 0 && i % 4 == 0 ? " " : "", fingerprint[i]);
}

static void print_key(const struct mayfly_key *key)
{
        char created[32], expires[32];

        printf("key      ");
        print_fingerprint(key->fingerprint);
        printf("\nfor      %s\n", key->prefix ? key->prefix : "every name");
        if (key->problem) {
                printf("useless  %s\n", key->problem);
        } else {
                printf("user     %s\ncreated  %s, expires %s%s%s\n", key->user_id, date(key->created, created),
                       key->expires ? date(key->expires, expires) : "never", key->expired ? " (EXPIRED)" : "",
                       key->revoked ? " (REVOKED)" : "");
        }
        printf("from     %s\n", key->from);
}

static void print_key_json(const struct mayfly_key *key, unsigned n)
{
        printf("%s\n  {\"fingerprint\": \"%s\", \"prefix\": ", n > 0 ? "," : "", key->fingerprint);
        if (key->prefix)
                printf("\"%s\"", key->prefix);
        else
                printf("null");
        printf(", \"user_id\": ");
        tool_json_string(key->user_id);
        printf(", \"created\": %lld, \"expires\": ", (long long) key->created);
        if (key->expires)
                printf("%lld", (long long) key->expires);
        else
                printf("null");
        printf(", \"expired\": %s, \"revoked\": %s, \"file\": ", key->expired ? "true" : "false",
               key->revoked ? "true" : "false");
        tool_json_string(key->from);
        printf(", \"problem\": ");
        if (key->problem)
                tool_json_string(key->problem);
        else
                printf("null");
        printf("}");
}

static int show(const struct mayfly_key *key, void *userdata)
{
        struct choices *choices = userdata;

        if (choices->json)
                print_key_json(key, choices->n);
        else
                print_key(key);
        choices->n++;
        return 0;
}

static int show_removed(const struct mayfly_key *key, void *userdata)
{
        (void) userdata;
        printf("removed  %s\n", key->from);
        return 0;
}

static int ask(const struct mayfly_key *key, void *userdata)
{
        const struct choices *choices = userdata;
        char answer[16] = "";

        print_key(key);
        if (!choices->asks)
                return choices->trust.fingerprint != NULL;
        for (;;) {
                printf("Are you sure you want to trust this key (yes/no)? ");
                fflush(stdout);
                if (!fgets(answer, sizeof(answer), stdin))
                        return 0;
                answer[strcspn(answer, "\r\n")] = '\0';
                if (strcmp(answer, "yes") == 0)
                        return 1;
                if (strcmp(answer, "no") == 0)
                        return 0;
        }
}

static int parse(int argc, char **argv, struct choices *ret)
{
        static const struct option known[] = {
                { "prefix", required_argument, NULL, 'p' }, { "root", no_argument, NULL, 'r' },
                { "list", no_argument, NULL, 'l' },         { "remove", required_argument, NULL, 'R' },
                { "json", no_argument, NULL, 'j' },         { "yes", no_argument, NULL, 'y' },
                { "allow-http", no_argument, NULL, 'a' },   { "fingerprint", required_argument, NULL, 'f' },
                { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
        };
        int c;

        opterr = 0;
        *ret = (struct choices){ .trust = MAYFLY_TRUST_OPTIONS_INIT, .image = MAYFLY_IMAGE_OPTIONS_INIT };
        while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
                if (c == 'p')
                        ret->trust.prefix = optarg;
                else if (c == 'r')
                        ret->trust.root = 1;
                else if (c == 'l')
                        ret->list = 1;
                else if (c == 'R')
                        ret->remove = optarg;
                else if (c == 'j')
                        ret->json = 1;
                else if (c == 'y')
                        ret->yes = 1;
                else if (c == 'a')
                        ret->image.allow_http = 1;
                else if (c == 'f')
                        ret->trust.fingerprint = optarg;
                else if (c == 'h')
                        return fputs(trust_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
                else
                        return tool_bad_option("trust", argv[optind - 1]);
        }
        int sources = ret->list || ret->remove ? 0 : 1;
        if (argc - optind > sources)
                return tool_usage("trust: \"%.100s\" is too much; see mayfly trust --help", argv[optind + sources]);
        ret->trust.source = argv[optind];
        if (ret->list && ret->remove)
                return tool_usage("trust: --list and --remove at once; see mayfly trust --help");
        if (ret->json && !ret->list)
                return tool_usage("trust: --json is for --list; see mayfly trust --help");
        if (ret->yes && !ret->trust.fingerprint)
                return tool_usage("trust: --yes without --fingerprint would trust whatever is found; see mayfly trust "
                                  "--help");
        if (sources && !ret->trust.prefix && !ret->trust.root)
                return tool_usage("trust: what for? give --prefix PREFIX, or --root; see mayfly trust --help");
        return -1;
}

static int list(struct choices *choices, struct mayfly_error *err)
{
        choices->trust.key = show;
        if (choices->json)
                printf("[");
        int r = mayfly_trust_list(&choices->trust, err);
        if (choices->json)
                printf("%s]\n", choices->n > 0 ? "\n" : "");
        return r;
}

int tool_trust(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct choices choices;
        int r, status = parse(argc, argv, &choices);

        if (status >= 0)
                return status;
        choices.trust.image = &choices.image;
        choices.trust.userdata = &choices;
        if (choices.list) {
                r = list(&choices, &err);
        } else if (choices.remove) {
                choices.trust.fingerprint = choices.remove;
                choices.trust.key = show_removed;
                r = mayfly_trust_remove(&choices.trust, &err);
        } else {
                choices.asks = !choices.yes && isatty(STDIN_FILENO);
                choices.trust.key = ask;
                r = mayfly_trust_add(&choices.trust, &err);
                if (r > 0)
                        printf("%d key%s trusted for %s\n", r, r == 1 ? "" : "s",
                               choices.trust.prefix ? choices.trust.prefix : "every name");
                else if (r == 0)
                        return tool_fail(choices.asks ? "no key is trusted"
                                                      : "no key is trusted: there is no terminal to ask on; compare "
                                                        "the fingerprint, then give it with --fingerprint");
        }
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}
