/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "certs.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct authority {
        EVP_PKEY *key;
        X509 *certificate;
        long serial;
};

static void must(int fine, const char *what)
{
        if (!fine) {
                perror(what);
                abort();
        }
}

static void extend(X509 *certificate, int nid, const char *value)
{
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

        must(extension && X509_add_ext(certificate, extension, -1) == 1, "certs: extension");
        X509_EXTENSION_free(extension);
}

static X509 *new_certificate(EVP_PKEY *key, const char *name, long serial, long seconds)
{
        static const long two_days = 2 * 86400L;
        X509 *certificate = X509_new();

        must(key && certificate, "certs");
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -two_days);
        X509_gmtime_adj(X509_getm_notAfter(certificate), seconds - two_days);
        X509_set_pubkey(certificate, key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *) name,
                                   -1, -1, 0);
        return certificate;
}

static FILE *open_pem(const char *path)
{
        FILE *f = fopen(path, "we");

        must(f != NULL, path);
        return f;
}

struct authority *authority_new(const char *path)
{
        struct authority *authority = calloc(1, sizeof(*authority));

        must(authority != NULL, "certs");
        authority->key = EVP_EC_gen("P-256");
        X509 *c = authority->certificate = new_certificate(authority->key, basename(path), 1, 30 * 86400L);
        X509_set_issuer_name(c, X509_get_subject_name(c));
        extend(c, NID_basic_constraints, "critical,CA:TRUE");
        extend(c, NID_key_usage, "critical,keyCertSign");
        must(X509_sign(c, authority->key, EVP_sha256()) > 0, "certs: sign");
        FILE *f = open_pem(path);
        must(PEM_write_X509(f, c) == 1 && fclose(f) == 0, path);
        return authority;
}

void authority_sign(struct authority *authority, const char *names, long seconds, const char *path)
{
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *c = new_certificate(key, "mayfly test server", ++authority->serial + 1, seconds);

        X509_set_issuer_name(c, X509_get_subject_name(authority->certificate));
        extend(c, NID_subject_alt_name, names);
        must(X509_sign(c, authority->key, EVP_sha256()) > 0, "certs: sign");
        FILE *f = open_pem(path);
        must(PEM_write_X509(f, c) == 1 && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                     fclose(f) == 0,
             path);
        X509_free(c);
        EVP_PKEY_free(key);
}

void authority_free(struct authority *authority)
{
        X509_free(authority->certificate);
        EVP_PKEY_free(authority->key);
        free(authority);
}
