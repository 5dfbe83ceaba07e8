/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/boot.h"

#include "model/capabilities.h"
#include "util/macro.h"

uint64_t mf_boot_capabilities(void)
{
        return mf_capability_find("CAP_SYS_ADMIN") | mf_capability_find("CAP_NET_ADMIN");
}

/* In a container systemd reads the words of its own command line as it does those of the kernel's elsewhere. The spec's come last: the
 * last of two has effect. */
void mf_boot_add(const struct mayfly_spec *spec, struct mf_exec_block *block)
{
        static const char *const words[] = {
                "systemd.journald.forward_to_console=yes", /* which is how the journal gets into the log, */
                "systemd.show_status=no",                  /* so that it need not say there what it starts */
                "systemd.getty_auto=no",                   /* and nobody logs in there */
                "systemd.mask=console-getty.service",
        };

        mf_exec_block_add(block, MF_EXEC_BOOT, "");
        if (spec->entrypoint)
                mf_exec_block_add_all(block, MF_EXEC_ARGV, (char *const *) (uintptr_t) spec->entrypoint);
        else
                mf_exec_block_add(block, MF_EXEC_ARGV, ""); /* mayfly-init looks for it */
        for (size_t i = 0; !spec->entrypoint && i < MF_ELEMENTSOF(words); i++)
                mf_exec_block_add(block, MF_EXEC_ARGV, words[i]);
        mf_exec_block_add_all(block, MF_EXEC_ARGV, (char *const *) (uintptr_t) spec->argv);
        mf_exec_block_add(block, MF_EXEC_ENV, "TERM=dumb"); /* no colours */
}

int mf_boot_note_isolators(struct mf_isolators *isolators)
{
        static const enum mf_isolator_kind of_apps[] = {
                MF_ISOLATOR_CAPABILITIES_REMOVE, MF_ISOLATOR_CAPABILITIES_RETAIN, MF_ISOLATOR_NO_NEW_PRIVS,
                MF_ISOLATOR_OOM_SCORE_ADJ,       MF_ISOLATOR_SYSCALLS_REMOVE,     MF_ISOLATOR_SYSCALLS_RETAIN,
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < MF_ELEMENTSOF(of_apps); i++)
                r = mf_isolators_note(isolators, of_apps[i], MAYFLY_ISOLATOR_IGNORED,
                                      "the spec has boot, so that the image's app does not run");
        return r;
}
