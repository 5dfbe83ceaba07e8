/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "trust/openpgp.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/macro.h"

#define KEYS_BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define SIGNATURE_BEGIN "-----BEGIN PGP SIGNATURE-----"

enum tag { SIGNATURE = 2, SECRET_KEY = 5, KEY = 6, SECRET_SUBKEY = 7, SUBKEY = 14, USER_ID = 13, ATTRIBUTE = 17 };

struct input {
        const char *what;
        enum mf_openpgp_kind kind;
        struct mayfly_error *err;
};

#define refuse(input, ...) mf_error((input)->err, -EBADMSG, MAYFLY_STAGE_SIGNATURE, __VA_ARGS__)

/* --- packets ----------------------------------------------------------------------------------------------------- */

/* Reads the header of a packet at `p`. Returns the header's length, or 0 when there is no packet, or it is cut off, or has no
 * length. *ret_tag is set in any case if there is a tag. */
static size_t read_header(const unsigned char *p, size_t left, unsigned *ret_tag, size_t *ret_size)
{
        size_t header, size = 0, octets;

        if (left < 2 || !(p[0] & 0x80))
                return 0;
        if (p[0] & 0x40) {
                *ret_tag = p[0] & 0x3fU;
                octets = p[1] < 192 ? 1 : p[1] < 224 ? 2 : 5;
                if ((p[1] >= 224 && p[1] < 255) || left < 1 + octets) /* 224 to 254: in parts, which keys never use */
                        return 0;
                header = 1 + octets;
                if (octets == 1)
                        size = p[1];
                else if (octets == 2)
                        size = ((size_t) (p[1] - 192) << 8) + p[2] + 192;
                else
                        size = (size_t) p[2] << 24 | (size_t) p[3] << 16 | (size_t) p[4] << 8 | p[5];
        } else {
                *ret_tag = p[0] >> 2 & 0xfU;
                octets = (size_t) 1 << (p[0] & 3);
                if (octets == 8 || left < 1 + octets) /* 8: the length is unknown */
                        return 0;
                header = 1 + octets;
                for (size_t i = 1; i <= octets; i++)
                        size = size << 8 | p[i];
        }
        *ret_size = size;
        return size <= left - header ? header : 0;
}

static void add_packet(struct mf_packets *packets, const unsigned char *packet, size_t size)
{
        memcpy(packets->data + packets->size, packet, size); /* data has the size of the input */
        packets->size += size;
}

/* Whether a packet with that tag belongs to a key. */
static int is_of_key(unsigned tag)
{
        return tag == SIGNATURE || tag == SUBKEY || tag == USER_ID || tag == ATTRIBUTE;
}

/* Copies the packets that belong to keys or signatures to *ret, and refuses others that would mislead. Returns 0 or
 * -EBADMSG. */
static int sort_packets(const struct input *input, const unsigned char *p, size_t left, struct mf_packets *ret)
{
        size_t size = 0;

        while (left > 0) {
                unsigned tag = 0;
                size_t header = read_header(p, left, &tag, &size);
                if (input->kind == MF_OPENPGP_SIGNATURE && tag && tag != SIGNATURE)
                        return refuse(input,
                                      "%s is a signed message, not a detached signature; make one with gpg --armor "
                                      "--detach-sign",
                                      input->what);
                if (header == 0)
                        return refuse(input, "%s is damaged: it is cut off, or is not OpenPGP data", input->what);
                if (input->kind == MF_OPENPGP_KEYS && (tag == SECRET_KEY || tag == SECRET_SUBKEY))
                        return refuse(input, "%s has a secret key; export the public one with gpg --armor --export",
                                      input->what);
                if (input->kind == MF_OPENPGP_SIGNATURE || tag == KEY)
                        ret->n++;
                if (input->kind == MF_OPENPGP_SIGNATURE || tag == KEY || (ret->n > 0 && is_of_key(tag)))
                        add_packet(ret, p, header + size);
                p += header + size;
                left -= header + size;
        }
        if (ret->n == 0)
                return refuse(input, "%s has no %s", input->what,
                              input->kind == MF_OPENPGP_KEYS ? "public key" : "signature");
        return 0;
}

/* --- armour ------------------------------------------------------------------------------------------------------ */

static uint32_t crc24(const unsigned char *p, size_t size)
{
        uint32_t crc = 0xb704ceU;

        for (size_t i = 0; i < size; i++) {
                crc ^= (uint32_t) p[i] << 16;
                for (unsigned bit = 0; bit < 8; bit++) {
                        crc <<= 1;
                        if (crc & 0x1000000U)
                                crc ^= 0x1864cfbU;
                }
        }
        return crc & 0xffffffU;
}

/* Decodes the base64 digits from `p` to `end`, and passes over blanks. Returns the number of bytes, at most `room`, or
 * -EBADMSG. */
static long decode(const char *p, const char *end, unsigned char *ret, size_t room)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        unsigned n = 0, padding = 0;
        uint32_t group = 0;
        size_t size = 0;

        for (; p < end; p++) {
                const char *digit = *p ? strchr(digits, *p) : NULL;
                if (isspace((unsigned char) *p))
                        continue;
                if (*p == '=' && n % 4 >= 2)
                        padding++;
                else if (!digit || padding)
                        return -EBADMSG;
                group = group << 6 | (uint32_t) (digit ? digit - digits : 0);
                if (++n % 4 != 0)
                        continue;
                if (size + 3 > room)
                        return -EBADMSG;
                ret[size++] = (unsigned char) (group >> 16);
                ret[size++] = (unsigned char) (group >> 8);
                ret[size++] = (unsigned char) group;
        }
        return n % 4 || padding > 2 ? -EBADMSG : (long) (size - padding);
}

/* Returns the beginning of the next line, or the end of the text. */
static const char *next_line(const char *p)
{
        p += strcspn(p, "\n");
        return *p ? p + 1 : p;
}

/* Decodes one block, from `p`, after its first line. *ret_end is the text after the block. Returns the number of bytes or
 * -EBADMSG. */
static long read_block(const char *p, unsigned char *ret, size_t room, const char **ret_end)
{
        const char *last = strstr(p, "\n-----END PGP "), *crc = NULL;
        unsigned char checksum[3];

        if (!last)
                return -EBADMSG;
        while (p < last && p[strspn(p, " \t\r")] != '\n') { /* headers, up to an empty line */
                if (!memmem(p, strcspn(p, "\n"), ": ", 2))
                        return -EBADMSG;
                p = next_line(p);
        }
        for (const char *line = p; line < last; line = next_line(line))
                if (*line == '=')
                        crc = line;
        long size = decode(p, crc ? crc : last, ret, room);
        if (size < 0)
                return size;
        if (crc) {
                if (decode(crc + 1, last, checksum, sizeof(checksum)) != 3 ||
                    crc24(ret, (size_t) size) !=
                            ((uint32_t) checksum[0] << 16 | (uint32_t) checksum[1] << 8 | checksum[2]))
                        return -EBADMSG;
        }
        *ret_end = next_line(last + 1);
        return size;
}

/* Sets an error that names the kind of text, which is not the kind that was wanted. Returns -EBADMSG. */
static int explain(const struct input *input, const char *text)
{
        static const struct {
                const char *begin, *what;
        } others[] = {
                { "<", "is a web page" },
                { "-----BEGIN PGP SIGNED MESSAGE-----", "is a signed message, not a detached signature" },
                { "-----BEGIN PGP MESSAGE-----", "is a signed or encrypted message, not a detached signature" },
                { KEYS_BEGIN, "is a public key" },
                { SIGNATURE_BEGIN, "is a signature" },
                { "-----BEGIN PGP PRIVATE KEY BLOCK-----", "is a secret key" },
        };
        int keys = input->kind == MF_OPENPGP_KEYS;
        const char *what = *text ? NULL : "is empty";

        for (size_t i = 0; i < MF_ELEMENTSOF(others) && !what; i++)
                if (strncmp(text, others[i].begin, strlen(others[i].begin)) == 0)
                        what = others[i].what;
        if (!what)
                what = *text & 0x80 ? "is binary" : "is something else";
        return refuse(input, "%s %s; %s", input->what, what,
                      keys ? "public keys are wanted, as gpg --armor --export writes them"
                           : "a detached signature in ASCII armour is wanted, as gpg --armor --detach-sign writes it");
}

/* Decodes all blocks. Other text may be around keys. Returns 0 or -EBADMSG. */
static int take_off_armour(const struct input *input, const char *text, unsigned char *ret, size_t room,
                           size_t *ret_size)
{
        const char *begin = input->kind == MF_OPENPGP_KEYS ? KEYS_BEGIN : SIGNATURE_BEGIN;
        const char *p = text + strspn(text, " \t\r\n");

        if (strncmp(p, begin, strlen(begin)) != 0 && (input->kind == MF_OPENPGP_SIGNATURE || !strstr(p, begin)))
                return explain(input, p);
        for (p = strstr(p, begin); p; p = strstr(p, begin)) {
                long size = read_block(next_line(p), ret + *ret_size, room - *ret_size, &p);
                if (size < 0)
                        return refuse(input, "%s is damaged: its ASCII armour is cut off or changed", input->what);
                *ret_size += (size_t) size;
        }
        return 0;
}

int mf_openpgp_read(struct mf_packets *ret, enum mf_openpgp_kind kind, const void *data, size_t size, const char *what,
                    struct mayfly_error *err)
{
        const struct input input = { what, kind, err };
        mf_cleanup(mf_freep) char *text = malloc(size + 1);
        mf_cleanup(mf_freep) unsigned char *bytes = malloc(size + 4);
        struct mf_packets packets = { .data = malloc(size + 4) };
        size_t n = 0;
        int r = 0;

        if (!text || !bytes || !packets.data) {
                free(packets.data);
                return mf_error_oom(err, MAYFLY_STAGE_SIGNATURE);
        }
        memcpy(text, data, size);
        text[size] = '\0';
        if (kind == MF_OPENPGP_KEYS && size > 0 && text[0] & 0x80) {
                memcpy(bytes, data, size);
                n = size;
        } else {
                r = take_off_armour(&input, text, bytes, size + 4, &n);
        }
        if (r == 0)
                r = sort_packets(&input, bytes, n, &packets);
        if (r < 0)
                mf_packets_clear(&packets);
        else
                *ret = packets;
        return r;
}

void mf_packets_clear(struct mf_packets *packets)
{
        free(packets->data);
        *packets = (struct mf_packets){ 0 };
}

int mf_fingerprint_parse(const char *text, char ret[MF_FINGERPRINT_MAX + 1])
{
        size_t n = 0;

        if (strncasecmp(text, "0x", 2) == 0)
                text += 2;
        for (; *text; text++) {
                if (*text == ' ')
                        continue;
                if (!isxdigit((unsigned char) *text) || n == MF_FINGERPRINT_MAX)
                        return -EINVAL;
                ret[n++] = (char) toupper((unsigned char) *text);
        }
        ret[n] = '\0';
        return n == 40 || n == 64 ? 0 : -EINVAL;
}
