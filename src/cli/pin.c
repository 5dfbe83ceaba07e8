/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/pin.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/lock.h"
#include "cli/operand.h"
#include "cli/reap.h"
#include "cli/text.h"
#include "util/file-url.h"
#include "util/macro.h"

struct choices {
        int json, quiet;
        const char *lock;
        struct mayfly_image_options image;
};

static const char *const states[] = { [MAYFLY_SIGNATURE_NOT_ASKED] = "not asked for",
                                      [MAYFLY_SIGNATURE_MISSING] = "none",
                                      [MAYFLY_SIGNATURE_GOOD] = "good",
                                      [MAYFLY_SIGNATURE_UNTRUSTED] = "untrusted" };

void tool_print_pin(const struct mayfly_pin *pin)
{
        char served[32], unpacked[32];

        tool_print_text(pin->reference);
        printf("\n\nname    ");
        tool_print_text(pin->name);
        printf("\nlabels  ");
        tool_print_list(pin->labels, ", ");
        if (pin->digest_of)
                printf("\nID      %s, of the image's %s\nsize    %s as served\n", pin->id, pin->digest_of,
                       tool_size(pin->blob_size, served));
        else
                printf("\nID      %s\nsize    %s, %s uncompressed\n", pin->id, tool_size(pin->blob_size, served),
                       tool_size(pin->archive_size, unpacked));
        if (pin->created) {
                printf("created ");
                tool_print_text(pin->created);
                printf("\n");
        }
        if (pin->platforms) {
                printf("for     ");
                tool_print_list(pin->platforms, ", ");
                printf("\n");
        }
}

void tool_print_pin_json(const struct mayfly_pin *pin)
{
        tool_json_text("reference", pin->reference);
        tool_json_text("id", pin->id);
        tool_json_text("url", pin->url);
        tool_json_text("name", pin->name);
        tool_json_pairs("labels", pin->labels);
        tool_json_number("blob_size", (int64_t) pin->blob_size);
        if (!pin->digest_of) {
                tool_json_number("archive_size", (int64_t) pin->archive_size);
                return;
        }
        tool_json_text("digest_of", pin->digest_of);
        tool_json_text("created", pin->created);
        tool_json_list("platforms", pin->platforms);
}

static void print_signature(const struct mayfly_pin *pin)
{
        printf("signed  ");
        if (pin->fingerprint) {
                printf("by %s%s", pin->fingerprint, pin->user_id ? ", " : "");
                tool_print_text(pin->user_id ? pin->user_id : "");
                printf("%s\n", pin->signature == MAYFLY_SIGNATURE_GOOD ? "" : ", which is not trusted for this name");
        } else {
                printf("%s\n", pin->signature == MAYFLY_SIGNATURE_MISSING ? "no" : states[pin->signature]);
        }
        if (pin->signature == MAYFLY_SIGNATURE_UNTRUSTED)
                printf("        to trust it: mayfly trust --prefix %s\n", pin->name);
}

static void print(const struct mayfly_pin *pin, const struct choices *choices)
{
        if (choices->json) {
                tool_json_open(NULL, '{');
                tool_print_pin_json(pin);
                tool_json_text("signature", states[pin->signature]);
                tool_json_text("fingerprint", pin->fingerprint);
                tool_json_text("user_id", pin->user_id);
                tool_json_close('}');
        } else if (choices->quiet) {
                printf("%s\n", pin->reference);
        } else {
                tool_print_pin(pin);
                printf("from    ");
                tool_print_text(pin->url);
                printf("\n");
                if (!pin->digest_of) /* those of OCI images cannot be checked yet */
                        print_signature(pin);
        }
}

void tool_print_built(const struct mayfly_pin *pin, int json, int quiet)
{
        if (json) {
                tool_json_open(NULL, '{');
                tool_print_pin_json(pin);
                tool_json_close('}');
        } else if (quiet) {
                printf("%s\n", pin->reference);
        } else {
                tool_print_pin(pin);
        }
}

const char *const tool_compressions[] = { "gzip", "xz", "none", NULL };

/* Pins the image of a reference; NULL after a complaint. */
static struct mayfly_pin *pin_reference(const char *reference, struct choices *choices)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_progress_printer printer;
        struct mayfly_pin *pin = NULL;

        tool_show_progress(choices->quiet, &printer, &choices->image);
        int r = mayfly_image_pin(&pin, reference, &choices->image, &err);
        mf_progress_finish(&printer);
        if (r < 0 && access(reference, F_OK) == 0)
                (void) tool_fail("%s; there is a file of this name: write ./%s to pin that", err.message, reference);
        else if (r < 0)
                (void) tool_fail("%s", err.message);
        return pin;
}

/* Pins what an operand names; NULL after a complaint. */
static struct mayfly_pin *pin_operand(const char *operand, struct choices *choices)
{
        if (!tool_is_path(operand))
                return pin_reference(operand, choices);
        if (tool_check_path(operand) != TOOL_OK)
                return NULL;
        mf_cleanup(mf_freep) char *url = mf_file_url_of(operand);
        if (url)
                return pin_reference(url, choices);
        (void) tool_fail("%s cannot be found: %s; check the path", operand, strerror(errno));
        return NULL;
}

static int pin_and_print(const char *operand, struct choices *choices)
{
        struct mayfly_pin *pin = pin_operand(operand, choices);

        if (!pin)
                return TOOL_FAILED;
        print(pin, choices);
        mayfly_pin_free(pin);
        return TOOL_OK;
}

/* --- a lock file ------------------------------------------------------------------------------------------------ */

/* The lines of a lock file, and what is printed once they are written. */
struct locked {
        struct mf_strings lines, said;
};

static void clear(struct locked *locked)
{
        mf_strings_clear(&locked->lines);
        mf_strings_clear(&locked->said);
}

/* Pins what an operand names: into line *at, or where it belongs. */
static int pin_into(struct locked *locked, const size_t *at, const char *operand, struct choices *choices)
{
        static const char *const words[] = {
                [TOOL_LOCK_SAME] = "same   ", [TOOL_LOCK_CHANGED] = "changed", [TOOL_LOCK_ADDED] = "added  "
        };
        struct mayfly_pin *pin = pin_operand(operand, choices);

        if (!pin)
                return TOOL_FAILED;
        const enum tool_lock_change change =
                at ? tool_lock_set(&locked->lines, *at, pin->reference) : tool_lock_put(&locked->lines, pin->reference);
        char *text = NULL;
        if (asprintf(&text, "%s  %s", words[change], pin->reference) < 0 || mf_strings_add(&locked->said, text) < 0)
                tool_oom();
        mayfly_pin_free(pin);
        return TOOL_OK;
}

/* Pins anew what the lines have. */
static int pin_lines(struct locked *locked, struct choices *choices)
{
        int status = TOOL_OK;

        for (size_t i = 0; status == TOOL_OK && i < locked->lines.n; i++) {
                mf_cleanup(mf_freep) char *line = strdup(locked->lines.list[i]);
                char *reference;
                if (!line)
                        tool_oom();
                status = tool_line_reference(line, &reference);
                if (reference)
                        status = pin_into(locked, &i, reference, choices);
                if (status != TOOL_OK)
                        (void) tool_fail("that was line %zu of %s, which is left as it was", i + 1, choices->lock);
        }
        return status;
}

/* Writes the pins of all operands, or else of none, into the lock file. */
static int lock(struct choices *choices, const struct tool_operands *operands)
{
        mf_cleanup(clear) struct locked locked = { 0 };
        int status = tool_lock_read(choices->lock, operands->n > 0, &locked.lines);

        if (status == TOOL_OK && operands->n == 0)
                status = pin_lines(&locked, choices);
        for (size_t i = 0; status == TOOL_OK && i < operands->n; i++)
                status = pin_into(&locked, NULL, operands->list[i], choices);
        if (status == TOOL_OK)
                status = tool_lock_write(choices->lock, &locked.lines);
        for (size_t i = 0; status == TOOL_OK && !choices->quiet && i < locked.said.n; i++)
                printf("%s\n", locked.said.list[i]);
        return status;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct tool_operands operands;
        int status = tool_parse(&tool_pin, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        tool_reap_orphans();
        if (choices.lock && choices.json)
                return tool_usage("pin", "--json does not go with --lock, which prints lines");
        if (choices.lock)
                return lock(&choices, &operands);
        if (operands.n == 0)
                return tool_usage("pin", "missing operand REFERENCE");
        if (operands.n > 1)
                return tool_usage("pin", "extra operand '%s'; --lock=FILE pins several", operands.list[1]);
        return pin_and_print(operands.list[0], &choices);
}

static const struct tool_option options[] = {
        { .name = "lock",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, lock),
          .value = "FILE",
          .help = "write the references into FILE, for mayfly pull --from; without a REFERENCE pin anew what FILE "
                  "has" },
        TOOL_OPTION_JSON(struct choices, "print an object, with all that is known of the image"),
        TOOL_OPTION_QUIET(struct choices, "print the reference alone, and no progress"),
        TOOL_OPTION_ALLOW_HTTP(struct choices, image.allow_http),
        TOOL_OPTION_SIGNATURES(struct choices, image.signatures, "a signature is looked at and shown"),
        TOOL_OPTIONS_END,
};
const struct tool_command tool_pin = {
        .name = "pin",
        .summary = "print the reference that pins the image of a name, URL or file",
        .synopsis = "[OPTION]... REFERENCE\n[OPTION]... --lock=FILE [REFERENCE]...",
        .description =
                "Finds out where an image's name or URL leads now, and prints the reference that pins it, to be pasted "
                "into a test. Nothing is stored.\n"
                "REFERENCE is as in mayfly(7); \"aci:\" and the pin may be left out, and a pin is replaced. What "
                "begins with /, ./ or ../ or ends in .aci is the path of a file.\n"
                "A lock file has a reference on each line, and comments after '#'. It is replaced when all references "
                "could be pinned.",
        .exit_status = "0, or 1 when there is no such image, or 2 when the command line is wrong.",
        .options = options,
        .more_operands = UINT_MAX,
        .run = run,
};
