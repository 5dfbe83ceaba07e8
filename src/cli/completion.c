/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/complete.h"
#include "util/macro.h"

/* `mayfly completion SHELL` prints what that shell reads to complete command lines of mayfly. It asks `mayfly completion - WORD...`, so that
 * it knows the options and containers of the mayfly that runs. */

static const char bash[] =
        "# SPDX-License-Identifier: MIT\n"
        "# Completes command lines of mayfly in bash: what mayfly completion bash prints.\n"
        "_mayfly()\n"
        "{\n"
        "        local word=$2 line\n"
        "        COMPREPLY=()\n"
        "        while IFS= read -r line; do\n"
        "                case $line in\n"
        "                :files) compopt -o filenames; mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- "
        "\"$word\") ;;\n"
        "                :directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\") ;;\n"
        "                *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
        "                esac\n"
        "        done < <(\"$1\" completion - \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
        "}\n"
        "complete -F _mayfly mayfly\n";

static const char zsh[] =
        "#compdef mayfly\n"
        "# SPDX-License-Identifier: MIT\n"
        "# Completes command lines of mayfly in zsh: what mayfly completion zsh prints.\n"
        "_mayfly()\n"
        "{\n"
        "        local line\n"
        "        local -a candidates\n"
        "        for line in \"${(@f)$($words[1] completion - \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
        "                case $line in\n"
        "                '') ;;\n"
        "                :files) _files ;;\n"
        "                :directories) _files -/ ;;\n"
        "                *) candidates+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
        "                esac\n"
        "        done\n"
        "        (( ! $#candidates )) || _describe mayfly candidates\n"
        "}\n"
        "if [[ $funcstack[1] == _mayfly ]]; then _mayfly \"$@\"; else compdef _mayfly mayfly; fi\n";

static const char fish[] = "# SPDX-License-Identifier: MIT\n"
                           "# Completes command lines of mayfly in fish: what mayfly completion fish prints.\n"
                           "function __mayfly_complete\n"
                           "        set -l words (commandline -opc)\n"
                           "        set -l word (commandline -ct)\n"
                           "        for line in ($words[1] completion - $words[2..-1] \"$word\" 2>/dev/null)\n"
                           "                switch $line\n"
                           "                        case :files\n"
                           "                                __fish_complete_path \"$word\"\n"
                           "                        case :directories\n"
                           "                                __fish_complete_directories \"$word\"\n"
                           "                        case '*'\n"
                           "                                echo $line\n"
                           "                end\n"
                           "        end\n"
                           "end\n"
                           "complete -c mayfly -f -a '(__mayfly_complete)'\n";

static int run(int argc, char **argv)
{
        static const struct {
                const char *name, *script;
        } shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
        struct tool_operands operands;

        if (argc > 1 && strcmp(argv[1], "-") == 0)
                return tool_complete(argv + 2);
        int status = tool_parse(&tool_completion, argc, argv, NULL, &operands);
        if (status >= 0)
                return status;
        for (size_t i = 0; i < MF_ELEMENTSOF(shells); i++)
                if (strcmp(operands.list[0], shells[i].name) == 0) {
                        fputs(shells[i].script, stdout);
                        return TOOL_OK;
                }
        return tool_usage("completion", "'%s' is no shell that is known; valid are 'bash', 'zsh', 'fish'",
                          operands.list[0]);
}

static const struct tool_option options[] = { TOOL_OPTIONS_END };
static const char *const operand_names[] = { "SHELL", NULL };

const struct tool_command tool_completion = {
        .name = "completion",
        .summary = "print completions for a shell",
        .synopsis = "bash|zsh|fish",
        .description = "Prints what the shell reads to complete command lines of mayfly.",
        .exit_status = "0, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .run = run,
};
