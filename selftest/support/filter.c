/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "support/filter.h"
#include "util/macro.h"

void filter_make(struct filter *ret, const char *list, const char *architecture, const char *use)
{
        char command[4096];

        snprintf(command, sizeof(command), "'" GEN_FILTER "' '" SOURCES "/%s' %s %s", list, architecture, use);
        FILE *f = popen(command, "re");
        assert_non_null(f);
        ret->n = fread(ret->ops, sizeof(*ret->ops), MF_ELEMENTSOF(ret->ops), f);
        assert_int_equal(pclose(f), 0);
        assert_true(ret->n < MF_ELEMENTSOF(ret->ops));
}

/* Of classic BPF it knows the instructions that libseccomp uses. */
uint32_t filter_run(const struct filter *filter, const struct seccomp_data *data)
{
        uint32_t a = 0;

        for (size_t i = 0; i < filter->n; i++) {
                const struct sock_filter *op = &filter->ops[i];
                int truth;
                switch (op->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        assert_true(op->k + sizeof(a) <= sizeof(*data));
                        memcpy(&a, (const char *) data + op->k, sizeof(a));
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        a &= op->k;
                        break;
                case BPF_JMP | BPF_JA:
                        i += op->k;
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                case BPF_JMP | BPF_JGE | BPF_K:
                case BPF_JMP | BPF_JGT | BPF_K:
                        truth = op->code == (BPF_JMP | BPF_JEQ | BPF_K)   ? a == op->k
                                : op->code == (BPF_JMP | BPF_JGE | BPF_K) ? a >= op->k
                                                                          : a > op->k;
                        i += truth ? op->jt : op->jf;
                        break;
                case BPF_RET | BPF_K:
                        return op->k;
                default:
                        fail_msg("instruction %#x, which the interpreter does not know", op->code);
                }
        }
        fail_msg("the program has no end");
        return 0;
}
