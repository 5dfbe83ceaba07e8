/* SPDX-License-Identifier: MIT */

/* Crashes in a thread, some calls deep, while another one waits; runs inside, as an app. It has a script for debuggers,
 * which nobody runs who does not trust it. */

#include <pthread.h>
#include <signal.h>

__asm__(".pushsection \".debug_gdb_scripts\", \"MS\",@progbits,1\n"
        ".byte 4\n"
        ".ascii \"crash-script\\n\"\n"
        ".ascii \"print('the script of the app ' + 'ran')\\n\"\n"
        ".byte 0\n"
        ".popsection\n");

static void strike(int depth)
{
        if (depth > 0)
                strike(depth - 1);
        else
                raise(SIGSEGV);
}

static void *begin(void *unused)
{
        strike(3);
        return unused;
}

int main(void)
{
        pthread_t thread;

        return pthread_create(&thread, NULL, begin, NULL) != 0 || pthread_join(thread, NULL) != 0;
}
