/* SPDX-License-Identifier: MIT */
#ifndef MF_REGISTRY_DOCUMENTS_H
#define MF_REGISTRY_DOCUMENTS_H

/* The JSON documents of registries, of the files with credentials, and of the programs that keep credentials. documents.c is the
 * only user of jansson in this directory. No function puts a part of a document into a message. */

#include <stddef.h>
#include <stdint.h>

/* What a registry may want to see. All NULL: nothing is known. */
struct mf_credentials {
        char *user, *password; /* both or none */
        char *identity_token;  /* gets tokens from the token server, in place of user and password */
        char *registry_token;  /* a Bearer token as it is */
};

/* Overwrites and frees the credentials. */
void mf_credentials_clear(struct mf_credentials *credentials);
/* Overwrites and frees a secret. NULL is fine. */
void mf_secret_free(char *secret);

/* What an auth.json or config.json has for a repository. */
struct mf_auth_entry {
        struct mf_credentials credentials;
        char *helper; /* the credentials are with the program docker-credential-HELPER; NULL: with no program */
        int is_named; /* the file names the registry; else the program is that for all registries */
        char *server; /* what the program is to be asked for */
};

/* Looks up a repository. The key that says most counts: "REGISTRY/TEAM/NAME", "REGISTRY/TEAM", "REGISTRY". *ret is for
 * mf_auth_entry_clear(), set on success only, and all zero when the file has nothing. Returns 0, -EBADMSG with *ret_why, a
 * constant that continues "the file ", or -ENOMEM. */
int mf_auth_file_find(struct mf_auth_entry *ret, const char *text, size_t size, const char *registry,
                      const char *repository, const char **ret_why);
void mf_auth_entry_clear(struct mf_auth_entry *entry);

/* Reads the answer of a program docker-credential-X. Returns 0, -EBADMSG or -ENOMEM. */
int mf_helper_answer_parse(struct mf_credentials *ret, const char *text, size_t size);

struct mf_token {
        char *text;         /* for "Authorization: Bearer" */
        uint64_t expires_s; /* for so many seconds */
};

/* Reads the answer of a token server. *ret->text is for mf_secret_free(). Returns 0, -EBADMSG with *ret_why, a constant that
 * continues "the answer ", or -ENOMEM. */
int mf_token_parse(struct mf_token *ret, const char *text, size_t size, const char **ret_why);

#define MF_PAGE_SHOWN_MAX 300

/* Writes what the page of an error says, "CODE: message", made safe for messages. Writes nothing when the page says nothing, or
 * when it repeats a secret of `credentials` or of `authorization`, the value of the header, which may be NULL. */
void mf_error_page_show(char ret[MF_PAGE_SHOWN_MAX], const char *text, size_t size,
                        const struct mf_credentials *credentials, const char *authorization);

#endif
