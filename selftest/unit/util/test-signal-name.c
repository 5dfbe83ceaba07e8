/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/signal-name.h"

static void signals_are_written_in_many_ways(void **state)
{
        (void) state;
        assert_int_equal(mf_signal_number("SIGTERM"), SIGTERM);
        assert_int_equal(mf_signal_number("TERM"), SIGTERM);
        assert_int_equal(mf_signal_number("sigusr1"), SIGUSR1);
        assert_int_equal(mf_signal_number("9"), SIGKILL);
        assert_int_equal(mf_signal_number("64"), SIGRTMAX);
        assert_int_equal(mf_signal_number("SIGRTMIN"), SIGRTMIN);
        assert_int_equal(mf_signal_number("RTMIN+3"), SIGRTMIN + 3);
        assert_int_equal(mf_signal_number("SIGRTMAX"), SIGRTMAX);
        assert_int_equal(mf_signal_number("rtmax-1"), SIGRTMAX - 1);
}

static void what_is_no_signal_is_0(void **state)
{
        static const char *const none[] = {
                "",         "0",       "-1",       "65",       "99999999999999999999",
                "9x",       " 9",      "SIG",      "SIG9",     "TREM",
                "RTMIN3",   "RTMIN+",  "RTMIN-1",  "RTMAX+1",  "RTMIN+99",
                "RTMIN+3x", "RTMAX--", "RTMAX-99", "RTMIN+ 3", "RTMIN+9223372036854775807"
        };

        (void) state;
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
                if (mf_signal_number(none[i]) != 0)
                        fail_msg("\"%s\" is signal %d", none[i], mf_signal_number(none[i]));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(signals_are_written_in_many_ways),
                cmocka_unit_test(what_is_no_signal_is_0),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
