/* SPDX-License-Identifier: MIT */
#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct mf_digest {
        EVP_MD_CTX *context;
};

static struct mf_digest *new_digest(const EVP_MD *algorithm)
{
        struct mf_digest *digest = calloc(1, sizeof(*digest));

        if (!digest)
                return NULL;
        digest->context = EVP_MD_CTX_new();
        if (!digest->context || EVP_DigestInit_ex(digest->context, algorithm, NULL) != 1)
                return mf_digest_free(digest);
        return digest;
}

struct mf_digest *mf_digest_new(void)
{
        return new_digest(EVP_sha512());
}

struct mf_digest *mf_digest_new_sum(void)
{
        return new_digest(EVP_sha256());
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

int mf_digest_sum(struct mf_digest *digest, char sum[MF_SUM_LENGTH + 1])
{
        unsigned char hash[MF_SUM_LENGTH / 2];
        unsigned size = sizeof(hash);

        if (EVP_MD_CTX_get_size(digest->context) != (int) sizeof(hash) ||
            EVP_DigestFinal_ex(digest->context, hash, &size) != 1 ||
            EVP_DigestInit_ex(digest->context, NULL, NULL) != 1)
                return -EIO;
        for (unsigned i = 0; i < size; i++) {
                static const char digits[] = "0123456789abcdef";
                sum[(size_t) i * 2] = digits[hash[i] >> 4];
                sum[(size_t) i * 2 + 1] = digits[hash[i] & 15];
        }
        sum[MF_SUM_LENGTH] = '\0';
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
