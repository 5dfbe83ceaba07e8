/* SPDX-License-Identifier: MIT */
#include "archive/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct mf_digest {
        EVP_MD_CTX *context;
};

struct mf_digest *mf_digest_new(void)
{
        struct mf_digest *digest = calloc(1, sizeof(*digest));

        if (!digest)
                return NULL;
        digest->context = EVP_MD_CTX_new();
        if (!digest->context || EVP_DigestInit_ex(digest->context, EVP_sha512(), NULL) != 1)
                return mf_digest_free(digest);
        return digest;
}

int mf_digest_update(struct mf_digest *digest, const void *data, size_t size)
{
        return EVP_DigestUpdate(digest->context, data, size) == 1 ? 0 : -EIO;
}

int mf_digest_final(struct mf_digest *digest, char id[MF_ID_LENGTH + 1])
{
        unsigned char hash[64];
        unsigned size = sizeof(hash);

        if (EVP_DigestFinal_ex(digest->context, hash, &size) != 1 || size != sizeof(hash))
                return -EIO;
        snprintf(id, MF_ID_LENGTH + 1, "sha512-");
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

/* --- checksums ------------------------------------------------------------------------------------------------ */

struct mf_checksum {
        EVP_MAC_CTX *context;
};

struct mf_checksum *mf_checksum_new(void)
{
        struct mf_checksum *checksum = calloc(1, sizeof(*checksum));
        EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "POLY1305", NULL);

        if (checksum && algorithm)
                checksum->context = EVP_MAC_CTX_new(algorithm);
        EVP_MAC_free(algorithm); /* the context has it too */
        if (checksum && (!checksum->context || mf_checksum_begin(checksum) < 0))
                return mf_checksum_free(checksum);
        return checksum;
}

int mf_checksum_begin(struct mf_checksum *checksum)
{
        /* Pi, as good as any. Records hold what was made with it, so it stays. */
        static const unsigned char key[32] = {
                0x24, 0x3f, 0x6a, 0x88, 0x85, 0xa3, 0x08, 0xd3, 0x13, 0x19, 0x8a, 0x2e, 0x03, 0x70, 0x73, 0x44,
                0xa4, 0x09, 0x38, 0x22, 0x29, 0x9f, 0x31, 0xd0, 0x08, 0x2e, 0xfa, 0x98, 0xec, 0x4e, 0x6c, 0x89,
        };

        return EVP_MAC_init(checksum->context, key, sizeof(key), NULL) == 1 ? 0 : -EIO;
}

int mf_checksum_update(struct mf_checksum *checksum, const void *data, size_t size)
{
        return EVP_MAC_update(checksum->context, data, size) == 1 ? 0 : -EIO;
}

int mf_checksum_final(struct mf_checksum *checksum, char ret[MF_CHECKSUM_LENGTH + 1])
{
        static const char digits[] = "0123456789abcdef";
        unsigned char sum[MF_CHECKSUM_LENGTH / 2];
        size_t size = 0;

        if (EVP_MAC_final(checksum->context, sum, &size, sizeof(sum)) != 1 || size != sizeof(sum))
                return -EIO;
        for (size_t i = 0; i < size; i++) {
                ret[i * 2] = digits[sum[i] >> 4];
                ret[i * 2 + 1] = digits[sum[i] & 15];
        }
        ret[MF_CHECKSUM_LENGTH] = '\0';
        return 0;
}

struct mf_checksum *mf_checksum_free(struct mf_checksum *checksum)
{
        if (checksum) {
                EVP_MAC_CTX_free(checksum->context);
                free(checksum);
        }
        return NULL;
}
