/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/image.h>
#include <mayfly/store.h>

#include "cli/cli.h"
#include "util/progress.h"

static const char pin_usage[] =
        "Usage: mayfly pin [OPTION]... REFERENCE\n"
        "\n"
        "Finds out what an image's name or URL leads to now, and prints the reference that pins it, to be pasted into "
        "a\n"
        "test. REFERENCE is as in mayfly(7), with no need for \"aci:\" nor for a pin; one that is there is replaced.\n"
        "Nothing is stored.\n"
        "\n"
        "  --json        print it as JSON, with everything about the image\n"
        "  --quiet       print the reference only, and no progress\n"
        "  --allow-http  plain http to other hosts is fine\n"
        "  --signatures POLICY\n"
        "                required, if-present or off; default $MAYFLY_SIGNATURES, else to look and tell\n"
        "  --help        print this\n"
        "\n"
        "Exit status: 0, or 1 when there is no such image, or 2 for misuse.\n";

static const char pull_usage[] =
        "Usage: mayfly pull [OPTION]... REFERENCE\n"
        "\n"
        "Brings the image of a pinned reference into the store, where tests then find it, and prints its ID.\n"
        "\n"
        "  --store FOLDER  the store; default $MAYFLY_STORE, else as mayfly(7) tells\n"
        "  --quiet         print nothing but errors\n"
        "  --allow-http    plain http to other hosts is fine\n"
        "  --signatures POLICY\n"
        "                  required, if-present or off; default $MAYFLY_SIGNATURES, else off\n"
        "  --help          print this\n"
        "\n"
        "Exit status: 0, or 1 when it could not be brought there, or 2 for misuse.\n";

static const char images_usage[] = "Usage: mayfly images [OPTION]...\n"
                                   "\n"
                                   "Lists the images of the store, the one that was used the longest ago first.\n"
                                   "\n"
                                   "  --json          print them as a JSON array\n"
                                   "  --store FOLDER  the store; default $MAYFLY_STORE, else as mayfly(7) tells\n"
                                   "  --help          print this\n"
                                   "\n"
                                   "Exit status: 0, or 1 when the store cannot be read, or 2 for misuse.\n";

struct choices {
        int json, quiet, help;
        const char *store, *reference;
        struct mayfly_image_options image;
};

static int parse_signatures(const char *text, struct mayfly_image_options *ret)
{
        if (strcmp(text, "required") == 0)
                ret->signatures = MAYFLY_SIGNATURES_REQUIRED;
        else if (strcmp(text, "if-present") == 0)
                ret->signatures = MAYFLY_SIGNATURES_IF_PRESENT;
        else if (strcmp(text, "off") == 0)
                ret->signatures = MAYFLY_SIGNATURES_OFF;
        else
                return -1;
        return 0;
}

/* `letters` says which options the command has. -1 to go on, else the exit status. */
static int parse(int argc, char **argv, const char *letters, struct choices *ret)
{
        static const struct option known[] = {
                { "json", no_argument, NULL, 'j' },
                { "quiet", no_argument, NULL, 'q' },
                { "store", required_argument, NULL, 's' },
                { "allow-http", no_argument, NULL, 'a' },
                { "help", no_argument, NULL, 'h' },
                { "signatures", required_argument, NULL, 'S' },
                { NULL, 0, NULL, 0 },
        };
        int c;

        opterr = 0;
        *ret = (struct choices){ .image = MAYFLY_IMAGE_OPTIONS_INIT };
        while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
                if (c == '?' || !strchr(letters, c))
                        return tool_bad_option(argv[0], argv[optind - 1]);
                if (c == 'j')
                        ret->json = 1;
                else if (c == 'q')
                        ret->quiet = 1;
                else if (c == 's')
                        ret->store = ret->image.store = optarg;
                else if (c == 'a')
                        ret->image.allow_http = 1;
                else if (c == 'S' && parse_signatures(optarg, &ret->image) < 0)
                        return tool_usage("--signatures %.100s is none of required, if-present and off", optarg);
                else if (c == 'h')
                        ret->help = 1;
        }
        if (ret->help)
                return -1;
        int wanted = strchr(letters, 'r') != NULL;
        if (argc - optind < wanted)
                return tool_usage("%s: no image is named; see mayfly %s --help", argv[0], argv[0]);
        if (argc - optind > wanted)
                return tool_usage("%s: \"%.100s\" is too much; see mayfly %s --help", argv[0], argv[optind + wanted],
                                  argv[0]);
        ret->reference = argv[optind];
        return -1;
}

static void show_progress(const struct choices *choices, struct mf_progress_printer *printer,
                          struct mayfly_image_options *options)
{
        mf_progress_init(printer, stderr);
        if (choices->quiet)
                return;
        options->progress = mf_progress_print;
        options->progress_userdata = printer;
}

/* --- pin */

static const char *const states[] = { [MAYFLY_SIGNATURE_NOT_ASKED] = "not asked for",
                                      [MAYFLY_SIGNATURE_MISSING] = "none",
                                      [MAYFLY_SIGNATURE_GOOD] = "good",
                                      [MAYFLY_SIGNATURE_UNTRUSTED] = "untrusted" };

static void print_json_or_null(const char *name, const char *text)
{
        printf(", \"%s\": ", name);
        if (text)
                tool_json_string(text);
        else
                printf("null");
}

static void print_pin_json(const struct mayfly_pin *pin)
{
        printf("{\"reference\": ");
        tool_json_string(pin->reference);
        printf(", \"id\": \"%s\", \"url\": ", pin->id);
        tool_json_string(pin->url);
        printf(", \"name\": \"%s\", \"labels\": ", pin->name);
        tool_json_pairs(pin->labels);
        printf(", \"blob_size\": %" PRIu64 ", \"archive_size\": %" PRIu64, pin->blob_size, pin->archive_size);
        print_json_or_null("signature", states[pin->signature]);
        print_json_or_null("fingerprint", pin->fingerprint);
        print_json_or_null("user_id", pin->user_id);
        printf("}\n");
}

static void print_pin(const struct mayfly_pin *pin)
{
        char served[32], unpacked[32];

        printf("%s\n\nname    %s\nlabels  ", pin->reference, pin->name);
        tool_print_list(pin->labels, ", ");
        printf("\nsize    %s, %s uncompressed\nfrom    %s\n", tool_size(pin->blob_size, served),
               tool_size(pin->archive_size, unpacked), pin->url);
        printf("signed  ");
        if (!pin->fingerprint)
                printf("%s\n", pin->signature == MAYFLY_SIGNATURE_MISSING ? "no" : states[pin->signature]);
        else
                printf("by %s%s%s%s\n", pin->fingerprint, pin->user_id ? ", " : "", pin->user_id ? pin->user_id : "",
                       pin->signature == MAYFLY_SIGNATURE_GOOD ? "" : ", which is not trusted for this name");
        if (pin->signature == MAYFLY_SIGNATURE_UNTRUSTED)
                printf("        if it is to be: mayfly trust --prefix %s\n", pin->name);
}

int tool_pin(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_progress_printer printer;
        struct mayfly_pin *pin = NULL;
        struct choices choices;
        int status = parse(argc, argv, "jqaShr", &choices);

        if (status >= 0)
                return status;
        if (choices.help)
                return fputs(pin_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
        show_progress(&choices, &printer, &choices.image);
        int r = mayfly_image_pin(&pin, choices.reference, &choices.image, &err);
        mf_progress_finish(&printer);
        if (r < 0)
                return tool_fail("%s", err.message);
        if (choices.json)
                print_pin_json(pin);
        else if (choices.quiet)
                printf("%s\n", pin->reference);
        else
                print_pin(pin);
        mayfly_pin_free(pin);
        return TOOL_OK;
}

/* --- pull */

int tool_pull(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_progress_printer printer;
        struct mayfly_image *image = NULL;
        struct choices choices;
        int status = parse(argc, argv, "qsaShr", &choices);

        if (status >= 0)
                return status;
        if (choices.help)
                return fputs(pull_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
        show_progress(&choices, &printer, &choices.image);
        int r = mayfly_image_open(&image, choices.reference, &choices.image, &err);
        mf_progress_finish(&printer);
        if (r < 0)
                return tool_fail("%s", err.message);
        if (!choices.quiet)
                printf("%s  %s\n", mayfly_image_was_fetched(image) ? "fetched" : "stored ", mayfly_image_id(image));
        mayfly_image_close(image);
        return TOOL_OK;
}

/* --- images */

static void print_time(int64_t when, const char *format)
{
        char text[64];
        time_t t = (time_t) when;
        struct tm tm;

        if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), format, &tm) > 0)
                fputs(text, stdout);
}

static void print_image_json(const struct mayfly_stored_image *image)
{
        printf("\n  {\"id\": \"%s\", \"name\": ", image->id);
        if (image->name)
                tool_json_string(image->name);
        else
                printf("null");
        printf(", \"labels\": ");
        tool_json_pairs(image->labels);
        printf(", \"bytes\": %" PRIu64 ", \"last_used\": \"", image->bytes);
        print_time(image->last_used, "%Y-%m-%dT%H:%M:%SZ");
        printf("\", \"in_use\": %s, \"signer\": ", image->in_use ? "true" : "false");
        if (image->signer)
                tool_json_string(image->signer);
        else
                printf("null");
        printf("}");
}

static void print_image(const struct mayfly_stored_image *image)
{
        char size[32];

        printf("%s\n  %s", image->id, image->name ? image->name : "(its manifest cannot be read)");
        if (image->labels && *image->labels)
                printf(", ");
        tool_print_list(image->labels, ", ");
        printf("\n  %s, last used ", tool_size(image->bytes, size));
        print_time(image->last_used, "%Y-%m-%d %H:%M UTC");
        printf("%s\n", image->in_use ? ", in use" : "");
        if (image->signer)
                printf("  signed by %s, %s\n", image->signer, image->signer_name);
}

int tool_images(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_stored_image **images = NULL;
        struct choices choices;
        int status = parse(argc, argv, "jsh", &choices);

        if (status >= 0)
                return status;
        if (choices.help)
                return fputs(images_usage, stdout) < 0 ? TOOL_FAILED : TOOL_OK;
        if (mayfly_store_list(&images, choices.store, &err) < 0)
                return tool_fail("%s", err.message);
        if (choices.json)
                printf("[");
        for (size_t i = 0; images[i]; i++) {
                if (choices.json && i > 0)
                        printf(",");
                (choices.json ? print_image_json : print_image)(images[i]);
        }
        if (choices.json)
                printf("%s]\n", images[0] ? "\n" : "");
        mayfly_store_list_free(images);
        return TOOL_OK;
}
