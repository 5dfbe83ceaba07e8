/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <errno.h>
#include <signal.h>

#include "protocol/reports.h"

/* What somebody sends who holds a container's end of the control socket. The first byte says what the library expects; then comes
 * each message: its type, its number of descriptors, the length of its text, its values, and the text. */

enum { HEADER = 3 + sizeof(((struct mf_message *) NULL)->value) };

static size_t next_message(const uint8_t *data, size_t size, struct mf_message *ret, size_t *ret_n_fds)
{
        if (size < HEADER)
                return 0;
        size_t length = data[2];
        if (length > size - HEADER)
                length = size - HEADER;
        if (length > sizeof(ret->text))
                length = sizeof(ret->text);
        *ret = (struct mf_message){ .type = data[0] };
        *ret_n_fds = data[1];
        memcpy(ret->value, data + 3, sizeof(ret->value));
        memcpy(ret->text, data + HEADER, length);
        return HEADER + length;
}

/* What must hold when a message was taken. */
static void taken(const struct mf_reports *before, const struct mf_reports *reports, const struct mf_message *message,
                  uint32_t so_far)
{
        const int of_app = message->type != MF_MESSAGE_LIMITS && message->type != MF_MESSAGE_HOSTS &&
                           message->type != MF_MESSAGE_READY;
        const int of_started_app = message->type == MF_MESSAGE_NOTIFIED || message->type == MF_MESSAGE_USAGE ||
                                   message->type == MF_MESSAGE_EXIT;

        must(message->type < 32);
        must(message->type == MF_MESSAGE_LIMITS || !(so_far & (1U << message->type)));
        must(before->app == (of_started_app ? MF_APP_STARTED : MF_APP_NONE));
        must(before->ready == of_app);
        must(!of_app || before->expects_app);
        must(memchr(reports->app_failure, '\0', sizeof(reports->app_failure)));
        must(reports->app_error <= 0 && (reports->app == MF_APP_FAILED) == (reports->app_error < 0));
        must(!mf_reports_have_oom(reports) || reports->app_end.si_status == SIGKILL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mf_reports reports = { 0 }, before;
        struct mf_message message;
        uint32_t types = 0;
        size_t n_fds, used;

        if (size == 0)
                return 0;
        reports.expects_app = data[0] & 1;
        reports.expects_hosts = data[0] >> 1 & 1;
        reports.expects_notify = data[0] >> 2 & 1;
        for (data++, size--; (used = next_message(data, size, &message, &n_fds)) > 0; data += used, size -= used) {
                memcpy(&before, &reports, sizeof(before)); /* with its padding */
                int r = mf_reports_take(&reports, &message, n_fds);
                must(r == 0 || (r == -EPROTO && memcmp(&before, &reports, sizeof(before)) == 0));
                if (r == 0) {
                        taken(&before, &reports, &message, types);
                        types |= 1U << message.type;
                }
        }
        return 0;
}
