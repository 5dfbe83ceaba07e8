/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/trust.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/reap.h"
#include "cli/text.h"

struct choices {
        int list, json, yes, asks;
        const char *remove;
        struct mayfly_trust_options trust;
        struct mayfly_image_options image;
};

/* In groups of four, as gpg does, to be compared with ease. */
static void print_fingerprint(const char *fingerprint)
{
        for (size_t i = 0; fingerprint[i]; i++)
                printf("%s%c", i > 0 && i % 4 == 0 ? " " : "", fingerprint[i]);
}

static void print_line(const char *title, const char *text)
{
        printf("%-8s ", title);
        tool_print_text(text);
        printf("\n");
}

static void print_key(const struct mayfly_key *key)
{
        char created[32], expires[32] = "never";

        printf("key      ");
        print_fingerprint(key->fingerprint);
        printf("\n");
        print_line("for", key->prefix ? key->prefix : "every name");
        if (key->problem) {
                print_line("useless", key->problem);
        } else {
                print_line("user", key->user_id);
                if (key->expires)
                        tool_time(key->expires, "%Y-%m-%d", expires);
                printf("created  %s, expires %s%s%s\n", tool_time(key->created, "%Y-%m-%d", created), expires,
                       key->expired ? " (EXPIRED)" : "", key->revoked ? " (REVOKED)" : "");
        }
        print_line("from", key->from);
}

static void print_key_json(const struct mayfly_key *key)
{
        tool_json_open(NULL, '{');
        tool_json_text("fingerprint", key->fingerprint);
        tool_json_text("prefix", key->prefix);
        tool_json_text("user_id", key->user_id);
        tool_json_number("created", key->created);
        if (key->expires)
                tool_json_number("expires", key->expires);
        else
                tool_json_null("expires");
        tool_json_bool("expired", key->expired);
        tool_json_bool("revoked", key->revoked);
        tool_json_text("file", key->from);
        tool_json_text("problem", key->problem);
        tool_json_close('}');
}

static int show(const struct mayfly_key *key, void *userdata)
{
        const struct choices *choices = userdata;

        if (choices->json)
                print_key_json(key);
        else
                print_key(key);
        return 0;
}

static int show_removed(const struct mayfly_key *key, void *userdata)
{
        (void) userdata;
        print_line("removed", key->from);
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
                if (fflush(stdout) != 0 || ferror(stdout)) /* nobody saw what is asked about */
                        return 0;
                if (!fgets(answer, sizeof(answer), stdin))
                        return 0;
                answer[strcspn(answer, "\r\n")] = '\0';
                if (strcmp(answer, "yes") == 0)
                        return 1;
                if (strcmp(answer, "no") == 0)
                        return 0;
        }
}

/* What options and operands say together. Returns -1 when it makes sense, else the exit status. */
static int check(const struct choices *choices, const struct tool_operands *operands)
{
        int adds = !choices->list && !choices->remove;

        if (choices->list && choices->remove)
                return tool_usage("trust", "--list and --remove exclude each other");
        if (!adds && operands->n > 0)
                return tool_usage("trust", "extra operand '%s'; --%s takes no file and no URL", operands->list[0],
                                  choices->list ? "list" : "remove");
        if (choices->json && !choices->list)
                return tool_usage("trust", "--json needs --list");
        if (choices->yes && !choices->trust.fingerprint)
                return tool_usage("trust", "--yes needs --fingerprint, or it would trust whatever is found");
        if (adds && !choices->trust.prefix && !choices->trust.root)
                return tool_usage("trust", "either --prefix=PREFIX or --root must say for which names");
        return -1;
}

static int list(struct choices *choices, struct mayfly_error *err)
{
        choices->trust.key = show;
        if (choices->json)
                tool_json_open(NULL, '[');
        int r = mayfly_trust_list(&choices->trust, err);
        if (choices->json)
                tool_json_close(']');
        return r;
}

static int remove_key(struct choices *choices, struct mayfly_error *err)
{
        choices->trust.fingerprint = choices->remove;
        choices->trust.key = show_removed;
        return mayfly_trust_remove(&choices->trust, err);
}

/* Returns an exit status. */
static int add(struct choices *choices)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        choices->asks = !choices->yes && isatty(STDIN_FILENO);
        choices->trust.key = ask;
        int r = mayfly_trust_add(&choices->trust, &err);
        if (r < 0)
                return tool_fail("%s", err.message);
        if (r == 0 && choices->asks)
                return tool_fail("no key is trusted");
        if (r == 0)
                return tool_fail("no key is trusted: there is no terminal to ask on; compare the fingerprint, then "
                                 "give it with --fingerprint");
        printf("%d key%s trusted for %s\n", r, tool_plural((uint64_t) r),
               choices->trust.prefix ? choices->trust.prefix : "every name");
        return TOOL_OK;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .trust = MAYFLY_TRUST_OPTIONS_INIT, .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tool_operands operands;
        int status = tool_parse(&tool_trust, argc, argv, &choices, &operands);

        if (status < 0)
                status = check(&choices, &operands);
        if (status >= 0)
                return status;
        tool_reap_orphans();
        choices.trust.source = operands.list[0];
        choices.trust.image = &choices.image;
        choices.trust.userdata = &choices;
        if (!choices.list && !choices.remove)
                return add(&choices);
        int r = choices.list ? list(&choices, &err) : remove_key(&choices, &err);
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static const struct tool_option options[] = {
        { .name = "prefix",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, trust.prefix),
          .value = "PREFIX",
          .help = "for the image of this name, and those whose names begin with it and a \"/\"" },
        { .name = "root", .at = offsetof(struct choices, trust.root), .help = "for every name" },
        { .name = "fingerprint",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, trust.fingerprint),
          .value = "FP",
          .help = "this key alone; without a terminal, this is the consent" },
        { .name = "yes",
          .letter = 'y',
          .at = offsetof(struct choices, yes),
          .help = "do not ask; needs --fingerprint" },
        { .name = "list", .letter = 'l', .at = offsetof(struct choices, list), .help = "list the trusted keys" },
        { .name = "remove",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, remove),
          .value = "FP",
          .help = "no longer trust this key" },
        TOOL_OPTION_JSON(struct choices, "print the list as an array"),
        TOOL_OPTION_ALLOW_HTTP(struct choices, image.allow_http),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_trust = {
        .name = "trust",
        .summary = "make keys trusted to sign images",
        .synopsis = "(--prefix=PREFIX | --root) [OPTION]... [KEYFILE | URL]\n"
                    "--list [--prefix=PREFIX | --root] [--json]\n"
                    "--remove=FINGERPRINT [--prefix=PREFIX | --root]",
        .description = "Makes keys trusted to sign images. Without a file or URL they are discovered: the host of "
                       "PREFIX says where they are. Each key is shown, and asked about on the terminal. Compare its "
                       "fingerprint with one that you got in another way.",
        .exit_status = "0, or 1 when it could not be done or no key was trusted, or 2 when the command line is wrong.",
        .options = options,
        .more_operands = 1,
        .run = run,
};
