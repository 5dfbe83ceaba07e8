/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QUIET_MS 1000U /* a shorter fetch gets no plain line */
#define LINE_MS 2000U  /* between two plain lines */
#define BAR_WIDTH 24

void mf_progress_init(struct mf_progress_printer *printer, FILE *out)
{
        const char *term = getenv("TERM");
        struct winsize window;

        *printer = (struct mf_progress_printer){ .out = out, .columns = 80 };
        printer->is_terminal = isatty(fileno(out)) && (!term || strcmp(term, "dumb") != 0);
        if (printer->is_terminal && ioctl(fileno(out), TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
                printer->columns = window.ws_col;
}

/* The file name in "aci:https://host/path/FILE@sha512-...". */
static void short_name(const char *reference, char *ret, size_t size)
{
        const char *end = strrchr(reference, '@');
        const char *slash;

        if (!end)
                end = reference + strlen(reference);
        slash = memrchr(reference, '/', (size_t) (end - reference));
        snprintf(ret, size, "%.*s", (int) (end - (slash ? slash + 1 : reference)), slash ? slash + 1 : reference);
}

static void amount(uint64_t bytes, char *ret, size_t size)
{
        static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
        double value = (double) bytes / 1024;
        size_t unit = 0;

        for (; value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
                value /= 1024;
        snprintf(ret, size, "%.1f %s", value, units[unit]);
}

/* "12.3 MiB of 40.0 MiB, 5.0 MiB/s" */
static void describe(const struct mf_progress_printer *printer, const struct mayfly_progress *progress, char *ret,
                     size_t size)
{
        uint64_t spent = progress->elapsed_ms - printer->base_ms;
        char done[32], total[40] = "", rate[40] = "";

        if (progress->bytes_done == 0) {
                snprintf(ret, size, "nothing yet (%" PRIu64 " s)", progress->elapsed_ms / 1000);
                return;
        }
        amount(progress->bytes_done, done, sizeof(done));
        if (progress->bytes_total) {
                memcpy(total, " of ", 5);
                amount(progress->bytes_total, total + 4, sizeof(total) - 4);
        }
        if (spent >= 100) {
                memcpy(rate, ", ", 3);
                amount((uint64_t) ((double) progress->bytes_done * 1000 / (double) spent), rate + 2, sizeof(rate) - 4);
                strcat(rate, "/s");
        }
        snprintf(ret, size, "%s%s%s", done, total, rate);
}

static unsigned percent(const struct mayfly_progress *progress)
{
        if (progress->bytes_done >= progress->bytes_total)
                return 100;
        return (unsigned) ((double) progress->bytes_done * 100 / (double) progress->bytes_total);
}

static void draw(struct mf_progress_printer *printer, const struct mayfly_progress *progress, const char *name)
{
        char what[128], bar[BAR_WIDTH + 16] = "", line[512];

        if (progress->phase == MAYFLY_PROGRESS_WAIT) {
                snprintf(line, sizeof(line), "%.60s: another process is fetching it (%" PRIu64 " s)", name,
                         progress->elapsed_ms / 1000);
        } else {
                describe(printer, progress, what, sizeof(what));
                if (progress->bytes_total) {
                        unsigned done = percent(progress), filled = done * BAR_WIDTH / 100;
                        int n = snprintf(bar, sizeof(bar), " [%*s] %3u%%", BAR_WIDTH, "", done);
                        if (n > 0)
                                memset(bar + 2, '#', filled);
                }
                snprintf(line, sizeof(line), "%.60s%s  %s", name, bar, what);
        }
        /* A line that wraps could not be redrawn in place. */
        fprintf(printer->out, "\r%.*s\033[K", printer->columns - 1, line);
        fflush(printer->out);
        printer->drawn = 1;
}

static void tell(struct mf_progress_printer *printer, const struct mayfly_progress *progress, const char *name)
{
        char what[128];

        if (progress->phase == MAYFLY_PROGRESS_DONE) {
                if (printer->told)
                        fprintf(printer->out, "mayfly: fetched %s in %.1f s\n", name,
                                (double) progress->elapsed_ms / 1000);
                return;
        }
        if (progress->elapsed_ms < QUIET_MS || (printer->told && progress->elapsed_ms < printer->last_ms + LINE_MS))
                return;
        if (progress->phase == MAYFLY_PROGRESS_WAIT) {
                fprintf(printer->out, "mayfly: waiting for another process to fetch %s (%" PRIu64 " s)\n", name,
                        progress->elapsed_ms / 1000);
        } else {
                describe(printer, progress, what, sizeof(what));
                if (progress->bytes_total)
                        fprintf(printer->out, "mayfly: fetching %s: %u%%, %s\n", name, percent(progress), what);
                else
                        fprintf(printer->out, "mayfly: fetching %s: %s\n", name, what);
        }
        printer->told = 1;
        printer->last_ms = progress->elapsed_ms;
}

/* Whether this report is about the image that is shown, or about the next one to show. */
static int is_current(struct mf_progress_printer *printer, const struct mayfly_progress *progress)
{
        char reference[sizeof(printer->current)];

        snprintf(reference, sizeof(reference), "%s", progress->reference ? progress->reference : "the image");
        if (printer->current[0])
                return strcmp(printer->current, reference) == 0;
        memcpy(printer->current, reference, sizeof(reference));
        printer->told = printer->fetching = 0;
        printer->last_ms = 0;
        return 1;
}

static void tell_collected(struct mf_progress_printer *printer, const struct mayfly_progress *progress)
{
        char freed[32];

        mf_progress_finish(printer);
        amount(progress->bytes_freed, freed, sizeof(freed));
        fprintf(printer->out,
                "mayfly: removed %" PRIu64 " image%s, unused the longest, from the store, and freed %s "
                "(MAYFLY_STORE_MAX_BYTES, MAYFLY_STORE_MAX_AGE)\n",
                progress->images_removed, progress->images_removed == 1 ? "" : "s", freed);
        fflush(printer->out);
}

static void tell_warning(struct mf_progress_printer *printer, const struct mayfly_progress *progress, const char *name)
{
        mf_progress_finish(printer);
        fprintf(printer->out, "mayfly: %s: warning: %s\n", name, progress->warning);
        fflush(printer->out);
}

int mf_progress_print(const struct mayfly_progress *progress, void *userdata)
{
        struct mf_progress_printer *printer = userdata;
        char name[256];

        if (progress->phase == MAYFLY_PROGRESS_COLLECTED) {
                tell_collected(printer, progress);
                return 0;
        }
        short_name(progress->reference ? progress->reference : "the image", name, sizeof(name));
        if (progress->phase == MAYFLY_PROGRESS_WARNING) {
                tell_warning(printer, progress, name);
                return 0;
        }
        if (!is_current(printer, progress))
                return 0;
        if (progress->phase == MAYFLY_PROGRESS_FETCH && !printer->fetching) {
                printer->fetching = 1;
                printer->base_ms = progress->bytes_done ? 0 : progress->elapsed_ms;
        }
        if (!printer->is_terminal)
                tell(printer, progress, name);
        else if (progress->phase == MAYFLY_PROGRESS_DONE)
                mf_progress_finish(printer);
        else
                draw(printer, progress, name);
        if (progress->phase == MAYFLY_PROGRESS_DONE)
                printer->current[0] = '\0';
        return 0;
}

void mf_progress_finish(struct mf_progress_printer *printer)
{
        if (!printer->drawn)
                return;
        fputs("\r\033[K", printer->out);
        fflush(printer->out);
        printer->drawn = 0;
}
