/* SPDX-License-Identifier: MIT */
#include "archive/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mf_digest {
        EVP_MD_CTX *context;
        const char *prefix; /* of the result */
        unsigned size;      /* of the result, in bytes */
};

static struct mf_digest *digest_new(const EVP_MD *algorithm, const char *prefix, unsigned size)
{
        struct mf_digest *digest = calloc(1, sizeof(*digest));

        if (!digest)
                return NULL;
        digest->prefix = prefix;
        digest->size = size;
        digest->context = EVP_MD_CTX_new();
        if (!digest->context || EVP_DigestInit_ex(digest->context, algorithm, NULL) != 1)
                return mf_digest_free(digest);
        return digest;
}

struct mf_digest *mf_digest_new(void)
{
        return digest_new(EVP_sha512(), MF_ID_PREFIX, 64);
}

struct mf_digest *mf_digest_new_like(const char *id)
{
        return strncmp(id, "sha256", 6) == 0 ? digest_new(EVP_sha256(), "sha256-", 32) : mf_digest_new();
}

int mf_digest_update(struct mf_digest *digest, const void *data, size_t size)
{
        return EVP_DigestUpdate(digest->context, data, size) == 1 ? 0 : -EIO;
}

int mf_digest_final(struct mf_digest *digest, char id[MF_ID_LENGTH + 1])
{
        unsigned char hash[64];
        unsigned size = sizeof(hash);

        if (EVP_DigestFinal_ex(digest->context, hash, &size) != 1 || size != digest->size)
                return -EIO;
        snprintf(id, MF_ID_LENGTH + 1, "%s", digest->prefix);
        for (unsigned i = 0; i < size; i++)
                snprintf(id + 7 + (size_t) i * 2, 3, "%02x", hash[i]);
        return 0;
}

struct mf_digest *mf_digest_free(struct mf_digest *digest)
{
        if (digest) {
                EVP_MD_CTX_free(digest->context);
                free(digest);
        }
        return NULL;
}

/* --- macs ------------------------------------------------------------------------------------------------ */

struct mf_mac {
        EVP_MAC_CTX *context;
};

struct mf_mac *mf_mac_new(void)
{
        struct mf_mac *mac = calloc(1, sizeof(*mac));
        EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "POLY1305", NULL);

        if (mac && algorithm)
                mac->context = EVP_MAC_CTX_new(algorithm);
        EVP_MAC_free(algorithm); /* the context has it too */
        if (mac && (!mac->context || mf_mac_begin(mac) < 0))
                return mf_mac_free(mac);
        return mac;
}

int mf_mac_begin(struct mf_mac *mac)
{
        /* Pi, as good as any. Records hold what was made with it, so it stays. */
        static const unsigned char key[32] = {
                0x24, 0x3f, 0x6a, 0x88, 0x85, 0xa3, 0x08, 0xd3, 0x13, 0x19, 0x8a, 0x2e, 0x03, 0x70, 0x73, 0x44,
                0xa4, 0x09, 0x38, 0x22, 0x29, 0x9f, 0x31, 0xd0, 0x08, 0x2e, 0xfa, 0x98, 0xec, 0x4e, 0x6c, 0x89,
        };

        return EVP_MAC_init(mac->context, key, sizeof(key), NULL) == 1 ? 0 : -EIO;
}

int mf_mac_update(struct mf_mac *mac, const void *data, size_t size)
{
        return EVP_MAC_update(mac->context, data, size) == 1 ? 0 : -EIO;
}

int mf_mac_final(struct mf_mac *mac, char ret[MF_MAC_LENGTH + 1])
{
        static const char digits[] = "0123456789abcdef";
        unsigned char sum[MF_MAC_LENGTH / 2];
        size_t size = 0;

        if (EVP_MAC_final(mac->context, sum, &size, sizeof(sum)) != 1 || size != sizeof(sum))
                return -EIO;
        for (size_t i = 0; i < size; i++) {
                ret[i * 2] = digits[sum[i] >> 4];
                ret[i * 2 + 1] = digits[sum[i] & 15];
        }
        ret[MF_MAC_LENGTH] = '\0';
        return 0;
}

struct mf_mac *mf_mac_free(struct mf_mac *mac)
{
        if (mac) {
                EVP_MAC_CTX_free(mac->context);
                free(mac);
        }
        return NULL;
}
