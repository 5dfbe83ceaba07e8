/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_OPTIONS_H
#define MF_CLI_OPTIONS_H

/* What a subcommand says of itself: its options and operands in a table, from which its command line is read, its
 * --help printed, and every mistake told of in the same words. */

#include <stddef.h>
#include <stdint.h>

enum tool_kind {
        TOOL_FLAG = 0, /* int: 1 when it was given */
        TOOL_TEXT,     /* const char *: the last one given */
        TOOL_LIST,     /* const char **: all that were given, NULL-terminated; NULL without any */
        TOOL_WORD,     /* int or enum: the index of one of `words`, from `first` on */
        TOOL_NUMBER,   /* unsigned: up to `first`, or without limit when that is 0 */
        TOOL_AGE,      /* uint64_t: seconds, written with s, m, h, d or w */
        TOOL_BYTES     /* uint64_t: written with B, K, M, G, T or KiB and so on */
};

struct tool_option {
        const char *name; /* without "--" */
        char letter;      /* its short form, or 0 */
        enum tool_kind kind;
        size_t at;                /* offset of its field in the subcommand's choices */
        const char *value;        /* what the help calls its value; NULL for a flag */
        const char *const *words; /* TOOL_WORD: the words, NULL-terminated */
        unsigned first;           /* TOOL_WORD, TOOL_NUMBER */
        const char *help;
};

#define TOOL_OPTIONS_MAX 40U

struct tool_command {
        const char *name;
        const char *summary;               /* its line in mayfly --help */
        const char *synopsis;              /* what follows its name, a form a line; "": nothing */
        const char *description;           /* a paragraph a line */
        const char *exit_status;           /* what 0 and 1 mean, and any others */
        const struct tool_option *options; /* ends with an element without a name; --help is understood by all */
        const char *const *operands;       /* names of those that must be there, NULL-terminated */
        unsigned more_operands;            /* how many more there may be */
        const char *extra;                 /* what to do about one more than that; NULL: nothing is known */
        int has_program;                   /* what follows "--" is a program and its arguments, not operands */
        int ends_at_operand;               /* what follows the first operand is that one's arguments */
        int (*run)(int argc, char **argv); /* `argv` begins with the subcommand's name; returns the exit status */
};

struct tool_operands {
        char **list; /* NULL-terminated */
        size_t n;
        char **program; /* what follows "--", NULL-terminated; NULL when there is no "--" */
};

/* Reads a command line into *choices, which has the defaults, and *ret. Returns -1 to go on, else the exit status, when
 * the command line is wrong (the complaint was printed) or asks for help (which was printed). */
int tool_parse(const struct tool_command *command, int argc, char **argv, void *choices, struct tool_operands *ret);

/* Reads "10G" and the like. Returns NULL, or what is wrong with it. */
const char *tool_parse_bytes(const char *text, uint64_t *ret);

/* Prints what `mayfly COMMAND --help` prints. */
void tool_help(const struct tool_command *command);

/* Options that several subcommands have. */
#define TOOL_OPTION_JSON(type, text)                                     \
        {                                                                \
                .name = "json", .at = offsetof(type, json), .help = text \
        }
#define TOOL_OPTION_QUIET(type, text)                                                     \
        {                                                                                 \
                .name = "quiet", .letter = 'q', .at = offsetof(type, quiet), .help = text \
        }
#define TOOL_OPTION_STORE(type, field)                                                                 \
        {                                                                                              \
                .name = "store", .kind = TOOL_TEXT, .at = offsetof(type, field), .value = "DIRECTORY", \
                .help = "the store; default $MAYFLY_STORE, else as in mayfly(7)"                       \
        }
#define TOOL_OPTION_STATE(type, field)                                                                 \
        {                                                                                              \
                .name = "state", .kind = TOOL_TEXT, .at = offsetof(type, field), .value = "DIRECTORY", \
                .help = "where the state files of the containers are; default as in mayfly(1)"         \
        }
#define TOOL_OPTION_ALLOW_HTTP(type, field)                             \
        {                                                               \
                .name = "allow-http", .at = offsetof(type, field),      \
                .help = "allow plain http to other hosts than this one" \
        }
/* `text` says what the default is. */
#define TOOL_OPTION_SIGNATURES(type, field, text)                                                        \
        {                                                                                                \
                .name = "signatures", .kind = TOOL_WORD, .at = offsetof(type, field), .value = "POLICY", \
                .words = tool_signatures, .first = MAYFLY_SIGNATURES_REQUIRED,                           \
                .help = "required, if-present or off; default $MAYFLY_SIGNATURES, else " text            \
        }
#define TOOL_OPTIONS_END     \
        {                    \
                .name = NULL \
        }

extern const char *const tool_signatures[];

#endif
