/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/app-check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/macro.h"

#define SCRIPTS_MAX 4 /* scripts that are the interpreters of each other; Linux takes no more */
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct check {
        const struct mf_image_config *config;
        const struct mf_contents *contents;
        void (*warn)(void *userdata, const char *text);
        void *userdata;
        long uid, gid; /* of the app; -1: not known */
};

/* A file that is to be executed. */
struct program {
        const char *role; /* "program", ... */
        const char *name; /* as it is written where it is named */
        char where[PATH_MAX];
        const struct mf_content *content;
};

__attribute__((format(printf, 2, 3))) static void say(const struct check *check, const char *format, ...)
{
        char text[1024];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        check->warn(check->userdata, text);
}

/* Returns the value of the last "NAME=value" in a list, or NULL. */
static const char *value_of(char *const *list, const char *name)
{
        const size_t length = strlen(name);
        const char *value = NULL;

        for (; list && *list; list++)
                if (strncmp(*list, name, length) == 0 && (*list)[length] == '=')
                        value = *list + length + 1;
        return value;
}

static const char *cwd_of(const struct check *check)
{
        return check->config->cwd ? check->config->cwd : "/";
}

/* --- users and groups */

/* A name as the app's user or group, and the file that has such names. */
struct account {
        const char *what, *name, *file;
};

/* Finds the line "NAME:..." of /etc/passwd or /etc/group. Returns its end behind the colon, or NULL. */
static const char *find_line(const char *text, const char *name)
{
        const size_t length = strlen(name);

        while (text) {
                if (strncmp(text, name, length) == 0 && text[length] == ':')
                        return text + length + 1;
                text = strchr(text, '\n');
                if (text)
                        text++;
        }
        return NULL;
}

/* Whether it is a number, as which it needs no name in any file. */
static int is_number(const char *name)
{
        return *name && strspn(name, "0123456789") == strlen(name);
}

/* Looks at a user or group that is given as the path of a file, whose owner is meant. */
static void check_owner(const struct check *check, const struct account *account)
{
        const struct mf_content *content;
        char where[PATH_MAX];

        if (mf_contents_find(check->contents, "/", account->name, where, &content) == MF_FOUND_NONE)
                say(check,
                    "the %s is that of the file \"%.200s\", which is not in the root file system; add the file, or "
                    "give a name "
                    "or a number",
                    account->what, account->name);
}

/* Returns what the line of a user or group has behind the name, or NULL. Warns when the image must have one and has none. */
static const char *find_account(const struct check *check, const struct account *account)
{
        const struct mf_content *content = NULL;
        char where[PATH_MAX];

        if (account->name[0] == '/') {
                check_owner(check, account);
                return NULL;
        }
        enum mf_found found = mf_contents_find(check->contents, "/", account->file, where, &content);
        const char *line = found == MF_FOUND && content->text ? find_line(content->text, account->name) : NULL;
        if (line || is_number(account->name) || strcmp(account->name, "root") == 0)
                return line;
        if (found == MF_FOUND_NONE)
                say(check,
                    "the %s \"%.100s\" is not known, because the root file system has no %s; add that, or give a "
                    "number",
                    account->what, account->name, account->file);
        else if (found == MF_FOUND && content->text)
                say(check, "the %s \"%.100s\" is not in the %s of the root file system; add it there, or give a number",
                    account->what, account->name, account->file);
        return NULL;
}

/* Warns when the image has no such user or group. Returns its number, or -1 when that is not known. */
static long check_account(const struct check *check, const struct account *account)
{
        if (!account->name)
                return -1;
        const char *line = find_account(check, account), *colon = line ? strchr(line, ':') : NULL;
        if (colon)
                return strtol(colon + 1, NULL, 10);
        if (is_number(account->name))
                return strtol(account->name, NULL, 10);
        return strcmp(account->name, "root") == 0 ? 0 : -1;
}

/* --- programs */

static const char *type_of(mode_t mode)
{
        switch (mode & S_IFMT) {
        case S_IFDIR:
                return "a directory";
        case S_IFIFO:
                return "a FIFO";
        case S_IFCHR:
        case S_IFBLK:
                return "a device";
        default:
                return "no regular file";
        }
}

/* Says that a program, which is not searched for in PATH, is not there. */
static void say_missing(const struct check *check, const struct program *program)
{
        if (strncmp(program->name, program->where, strlen(program->where)) == 0)
                say(check, "the %s \"%.200s\" is not in the root file system; add it, or name another one",
                    program->role, program->name);
        else
                say(check,
                    "the %s \"%.200s\" leads to \"%.200s\", which is not in the root file system; add that, or name "
                    "another one",
                    program->role, program->name, program->where);
}

/* Warns when the app's user may not execute the file. Returns whether somebody may. */
static int check_mode(const struct check *check, const struct program *program)
{
        const struct mf_content *content = program->content;
        const unsigned mode = content->mode & 07777;

        if (!(mode & 0111)) {
                say(check,
                    "the %s \"%.200s\" has the mode %04o, so nobody may execute it; make it executable (chmod a+x)",
                    program->role, program->name, mode);
                return 0;
        }
        const int is_owner = check->uid == (long) content->uid;
        const unsigned bits = is_owner ? 0100 : check->gid == (long) content->gid ? 0010 : 0011;
        if (check->uid > 0 && !(mode & bits))
                say(check,
                    "the %s \"%.200s\" has the mode %04o and the owner %u:%u, so the user \"%.100s\" may not execute "
                    "it; change "
                    "the mode (chmod a+x) or the owner",
                    program->role, program->name, mode, (unsigned) content->uid, (unsigned) content->gid,
                    check->config->user);
        return 1;
}

/* Finds the file, which must be one that can be executed. Returns whether more of it can be checked. */
static int check_file(const struct check *check, struct program *program)
{
        switch (mf_contents_find(check->contents, cwd_of(check), program->name, program->where, &program->content)) {
        case MF_FOUND:
                break;
        case MF_FOUND_NONE:
                say_missing(check, program);
                return 0;
        case MF_FOUND_LOOP:
                say(check, "the %s \"%.200s\" is behind a loop of symbolic links; correct them", program->role,
                    program->name);
                return 0;
        case MF_FOUND_ELSEWHERE:
                return 0;
        }
        if (!S_ISREG(program->content->mode)) {
                say(check, "the %s \"%.200s\" is %s, which cannot be executed; name a program", program->role,
                    program->name, type_of(program->content->mode));
                return 0;
        }
        return check_mode(check, program) && program->content->executable;
}

/* Warns when an ELF file is for an architecture that is not the image's. */
static void check_arch(const struct check *check, const struct program *program)
{
        const struct mf_executable *executable = program->content->executable;
        const char *label = value_of(check->config->labels, "arch"), *arch = mf_executable_arch(executable);

        if (!label || mf_executable_is_for(executable, label))
                return;
        if (arch)
                say(check,
                    "the %s \"%.200s\" is for %s, but the image's label \"arch\" is \"%.60s\"; give it the label "
                    "\"arch=%s\", or a "
                    "program for %.60s",
                    program->role, program->name, arch, label, arch, label);
        else
                say(check,
                    "the %s \"%.200s\" is for an architecture that appc has no name of (ELF machine %u), but the "
                    "image's label "
                    "\"arch\" is \"%.60s\"; give it a program for %.60s",
                    program->role, program->name, executable->machine, label, label);
}

/* Says that the interpreter of a script or of an ELF file is not there. */
static void say_no_interpreter(const struct check *check, const struct program *program)
{
        const struct mf_executable *executable = program->content->executable;
        const char *name = executable->interpreter;
        const size_t length = strlen(name);

        if (executable->kind == MF_EXECUTABLE_ELF)
                say(check,
                    "the %s \"%.200s\" needs the dynamic loader \"%.200s\", which is not in the root file system; add "
                    "it, or "
                    "link the program statically",
                    program->role, program->name, name);
        else
                say(check,
                    "the %s \"%.200s\" needs the interpreter \"%.200s\", as its first line says, which is not in the "
                    "root file "
                    "system; %s",
                    program->role, program->name, name,
                    length > 0 && name[length - 1] == '\r'
                            ? "end the lines of the script with LF alone, not with CR and LF"
                            : "add it, or change that line");
}

/* Checks the interpreter that a program names. Returns whether it is in the root file system, as *ret. */
static int check_interpreter(const struct check *check, const struct program *program, struct program *ret)
{
        const struct mf_executable *executable = program->content->executable;
        const struct mf_content *content;

        *ret = (struct program){ .role = executable->kind == MF_EXECUTABLE_ELF ? "dynamic loader" : "interpreter",
                                 .name = executable->interpreter };
        if (mf_contents_find(check->contents, cwd_of(check), ret->name, ret->where, &content) == MF_FOUND_NONE) {
                say_no_interpreter(check, program);
                return 0;
        }
        return check_file(check, ret);
}

/* Checks a program and what Linux needs to execute it: interpreters, and at last a dynamic loader. */
static void check_program(const struct check *check, const char *role, const char *name)
{
        struct program programs[2] = { { .role = role, .name = name } };
        int known = check_file(check, &programs[0]);

        for (int i = 0; known && i <= SCRIPTS_MAX; i++) {
                const struct program *program = &programs[i % 2];
                const struct mf_executable *executable = program->content->executable;
                if (executable->problem) {
                        say(check, "the %s \"%.200s\" cannot be executed: %s; replace it by a whole program",
                            program->role, program->name, executable->problem);
                        return;
                }
                check_arch(check, program);
                if (!executable->interpreter)
                        return;
                known = check_interpreter(check, program, &programs[(i + 1) % 2]);
                if (executable->kind == MF_EXECUTABLE_ELF)
                        return; /* of the loader Linux needs no other */
        }
}

/* Searches one directory of PATH. Returns the path of a regular file there, or NULL. *ret_found says more. */
static char *find_in_directory(const struct check *check, const char *directory, size_t length, const char *name,
                               enum mf_found *ret_found, int *ret_executable)
{
        const struct mf_content *content = NULL;
        char where[PATH_MAX], *file;

        *ret_found = MF_FOUND_ELSEWHERE;
        if (asprintf(&file, "%.*s%s%s", (int) length, directory, length ? "/" : "./", name) < 0)
                return NULL;
        *ret_found = mf_contents_find(check->contents, cwd_of(check), file, where, &content);
        if (*ret_found == MF_FOUND && S_ISREG(content->mode)) {
                *ret_executable = (content->mode & 0111) != 0;
                return file;
        }
        free(file);
        return NULL;
}

/* Searches PATH for a program without a slash, as execvp(3) does, and checks it. */
static void check_in_path(const struct check *check, const char *role, const char *name)
{
        const char *path = value_of(check->config->env, "PATH");
        mf_cleanup(mf_freep) char *file = NULL; /* the first, or the first that somebody may execute */
        int executable = 0;

        if (!path)
                path = PATH_DEFAULT;
        for (const char *p = path; *p && !executable; p += *p == ':') {
                enum mf_found found;
                size_t length = strcspn(p, ":");
                mf_cleanup(mf_freep) char *one = find_in_directory(check, p, length, name, &found, &executable);
                if (found == MF_FOUND_ELSEWHERE)
                        return;
                if (one && (!file || executable)) {
                        free(file);
                        file = mf_take(one);
                }
                p += length;
        }
        if (file)
                check_program(check, role, file);
        else
                say(check, "the %s \"%.200s\" is in no directory of PATH (%.300s); add it, or give its path", role,
                    name, path);
}

/* Checks a command: a program and its arguments. */
static void check_command(const struct check *check, const char *role, char *const *words)
{
        if (!words || !words[0] || !words[0][0])
                return;
        if (strchr(words[0], '/'))
                check_program(check, role, words[0]);
        else
                check_in_path(check, role, words[0]);
}

static void check_cwd(const struct check *check)
{
        const struct mf_content *content = NULL;
        const char *cwd = check->config->cwd;
        char where[PATH_MAX];

        if (!cwd)
                return;
        enum mf_found found = mf_contents_find(check->contents, "/", cwd, where, &content);
        if (found == MF_FOUND_NONE || (found == MF_FOUND && !S_ISDIR(content->mode)))
                say(check, "the working directory \"%.200s\" is no directory in the root file system; make it there",
                    cwd);
}

void mf_app_check(const struct mf_image_config *config, const struct mf_contents *contents,
                  void (*warn)(void *userdata, const char *text), void *userdata)
{
        struct check check = {
                .config = config, .contents = contents, .warn = warn, .userdata = userdata, .uid = -1, .gid = -1
        };
        const char *os = value_of(config->labels, "os");

        if (strcmp(os ? os : "linux", "linux") != 0)
                return;
        check.uid = check_account(&check, &(const struct account){ "user", config->user, "/etc/passwd" });
        check.gid = check_account(&check, &(const struct account){ "group", config->group, "/etc/group" });
        check_cwd(&check);
        check_command(&check, "program",
                      config->entrypoint && config->entrypoint[0] ? config->entrypoint : config->argv);
        check_command(&check, "program of the pre-start hook", config->pre_start);
        check_command(&check, "program of the post-stop hook", config->post_stop);
}
