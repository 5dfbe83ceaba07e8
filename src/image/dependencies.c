/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/dependencies.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "model/show.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/thread.h"
#include "util/time.h"

#define THREADS_MAX 4U
#define REPORT_MS 100U

enum state { WANTED, FETCHING, OPEN };

struct node {
        struct mf_reference reference;
        char *text;         /* of the reference */
        const char *parent; /* name of the first image that depends on it */
        uint64_t size;
        enum state state;
        struct mayfly_image *image; /* once OPEN */
        struct run *run;
        struct mayfly_progress progress; /* the last report */
        int has_news;
        char *warning; /* of a report that the caller did not get yet, allocated */
};

struct run {
        const struct mf_image_request *request; /* for the image that has these dependencies */
        struct node *node[MF_DEPENDENCIES_MAX];
        size_t n, n_edges;

        pthread_mutex_t lock; /* protects also the fields above while there are threads */
        pthread_cond_t changed;
        unsigned fetching, threads;
        int cancelled, result;
        struct mayfly_error error;
};

/* --- the graph ------------------------------------------------------------------------------------------------ */

/* Sets *ret to "NAME,LABEL=VALUE...", allocated. Returns 0 or -ENOMEM. */
static int name_of(const char *name, char *const *labels, char **ret)
{
        size_t size = 0;
        FILE *f = open_memstream(ret, &size);

        if (!f)
                return -ENOMEM;
        fputs(name, f);
        for (; *labels; labels++)
                fprintf(f, ",%s", *labels);
        int failed = ferror(f);
        if (fclose(f) == 0 && !failed)
                return 0;
        free(mf_take(*ret));
        return -ENOMEM;
}

/* Whether the ID has all its digits; NULL is not an ID. */
static int is_whole_id(const char *id)
{
        char parsed[MF_ID_LENGTH + 1];

        return id && mf_image_id_parse(id, parsed) == 0;
}

/* Makes a reference to a layer of an OCI image. *ret_text is its text, allocated. Returns 0 or negative errno. */
static int refer_to_layer(const struct run *run, const struct mf_dependency *layer, struct mf_reference *ret,
                          char **ret_text, struct mayfly_error *err)
{
        if (asprintf(ret_text, "layer %.15s of %s", layer->name, run->request->text) < 0) {
                *ret_text = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        *ret = (struct mf_reference){ .format = MF_FORMAT_OCI };
        strcpy(ret->id, layer->id);
        return 0;
}

/* Turns an entry of the manifest into a reference. *ret_text is its text, allocated. Returns 0 or negative errno. */
static int parse(const struct mayfly_image *image, const struct mf_dependency *dependency, struct mf_reference *ret,
                 char **ret_text, struct mayfly_error *err)
{
        const char *parent = image->config->name;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        mf_cleanup(mf_freep) char *name = NULL;
        mf_cleanup(mf_freep) char *text = NULL;
        char shown[MF_SHOWN_MAX];

        if (name_of(dependency->name, dependency->labels, &name) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        mf_show_url(shown, name, 0);
        if (!is_whole_id(dependency->id))
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_MANIFEST,
                        "image %s depends on %s %s, so its content is not pinned; run `mayfly pin "
                        "%s`, put the imageID that it prints into the manifest, and build and pin the image again",
                        parent, shown, dependency->id ? "by a shortened imageID" : "without an imageID", shown);
        /* A reference has commas between its labels. */
        for (char **l = dependency->labels; *l; l++)
                if (strchr(*l, ','))
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_MANIFEST,
                                        "image %s depends on %s, but one of these labels has a comma in its value, and "
                                        "mayfly cannot search for it; remove the comma",
                                        parent, shown);
        if (asprintf(&text, "aci:%s@%s", name, dependency->id) < 0) {
                text = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        }
        int r = mf_reference_parse(ret, text, 0, &why);
        if (r < 0)
                return mf_error(err, r, MAYFLY_STAGE_MANIFEST, "a dependency of image %s cannot be used: %s", parent,
                                why.message);
        *ret_text = mf_take(text);
        return 0;
}

/* Adds a node for an entry of the manifest, unless the image has one. Returns 0 or negative errno. */
static int add_node(struct run *run, const struct mayfly_image *image, const struct mf_dependency *dependency,
                    struct mayfly_error *err)
{
        struct mf_reference reference = { 0 };
        mf_cleanup(mf_freep) char *text = NULL;

        int r = run->request->layer_fetcher ? refer_to_layer(run, dependency, &reference, &text, err)
                                            : parse(image, dependency, &reference, &text, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < run->n; i++)
                if (strcmp(run->node[i]->reference.id, reference.id) == 0) {
                        mf_reference_clear(&reference);
                        return 0;
                }
        struct node *node = run->n < MF_DEPENDENCIES_MAX ? calloc(1, sizeof(*node)) : NULL;
        if (!node) {
                mf_reference_clear(&reference);
                return run->n < MF_DEPENDENCIES_MAX
                               ? mf_error_oom(err, MAYFLY_STAGE_MANIFEST)
                               : mf_error(err, -E2BIG, MAYFLY_STAGE_MANIFEST,
                                          "image %s has more than %u direct and indirect dependencies",
                                          run->request->text, MF_DEPENDENCIES_MAX);
        }
        *node = (struct node){ .reference = reference,
                               .text = mf_take(text),
                               .parent = image->config->name,
                               .size = dependency->size,
                               .run = run };
        run->node[run->n++] = node;
        return 0;
}

/* Adds a node for each dependency of `image`. Returns 0 or negative errno. */
static int add_nodes(struct run *run, const struct mayfly_image *image, struct mayfly_error *err)
{
        const struct mf_image_config *config = image->config;
        int r = 0;

        run->n_edges += config->n_dependencies;
        if (run->n_edges > MF_DEPENDENCY_EDGES_MAX)
                return mf_error(err, -E2BIG, MAYFLY_STAGE_MANIFEST,
                                "the manifests of image %s and of its dependencies list more than %u dependencies",
                                run->request->text, MF_DEPENDENCY_EDGES_MAX);
        for (size_t i = 0; i < config->n_dependencies && r == 0; i++)
                r = add_node(run, image, &config->dependencies[i], err);
        return r;
}

/* --- fetching ------------------------------------------------------------------------------------------------ */

/* Keeps the report of a fetching thread for the caller's thread. Returns 1 to cancel the fetch. */
static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        struct node *node = userdata;
        struct run *run = node->run;

        pthread_mutex_lock(&run->lock);
        if (progress->phase == MAYFLY_PROGRESS_WARNING) { /* must not be lost when the next report comes */
                free(node->warning);
                node->warning = strdup(progress->warning);
        } else {
                node->progress = *progress;
                node->has_news = 1;
        }
        int cancel = run->cancelled || run->result < 0;
        pthread_mutex_unlock(&run->lock);
        return cancel;
}

/* Opens the image of a node, and fetches it unless `only_stored` is set. Returns as mf_image_get(). */
static int get(const struct node *node, struct mayfly_image **ret, int only_stored, struct mayfly_error *err)
{
        struct mayfly_image_options options = *node->run->request->options;
        struct mf_image_request request = *node->run->request;
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        options.progress = on_progress; /* set in any case: it also stops the other fetches */
        options.progress_userdata = (void *) (uintptr_t) node;
        request.reference = &node->reference;
        request.fetcher = request.layer_fetcher;
        request.is_layer = request.layer_fetcher != NULL;
        request.text = node->text;
        request.size = node->size;
        request.options = &options;
        int r = mf_image_get(ret, &request, only_stored, &why);
        if (r < 0 && why.code && request.fetcher) /* the message says which layer it is */
                mf_error(err, r, why.stage, "%s", why.message);
        else if (r < 0 && why.code)
                mf_error(err, r, why.stage, "a dependency of image %s cannot be used: %s", node->parent, why.message);
        return r;
}

/* Opens the images that are stored, in this thread. *ret_missing is the number of the others. Returns 0 or negative errno. */
static int open_stored(struct run *run, unsigned *ret_missing, struct mayfly_error *err)
{
        int r = 0;

        *ret_missing = 0;
        for (size_t i = 0; i < run->n && r == 0; i++) {
                struct node *node = run->node[i];
                r = get(node, &node->image, 1, err);
                if (r == 0) {
                        node->state = OPEN;
                        r = add_nodes(run, node->image, err);
                } else if (r == -ENOENT) {
                        ++*ret_missing;
                        r = 0;
                }
        }
        return r;
}

static struct node *next_wanted(const struct run *run)
{
        for (size_t i = 0; i < run->n; i++)
                if (run->node[i]->state == WANTED)
                        return run->node[i];
        return NULL;
}

/* A fetching thread: fetches one image after another, until all are open or one has failed. */
static void *fetch_some(void *userdata)
{
        struct run *run = userdata;

        pthread_mutex_lock(&run->lock);
        while (run->result == 0 && !run->cancelled) {
                struct node *node = next_wanted(run);
                if (!node && run->fetching == 0)
                        break;
                if (!node) { /* an image that is being fetched may have dependencies */
                        pthread_cond_wait(&run->changed, &run->lock);
                        continue;
                }
                node->state = FETCHING;
                run->fetching++;
                pthread_mutex_unlock(&run->lock);
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mayfly_image *image = NULL;
                int r = get(node, &image, 0, &err);
                pthread_mutex_lock(&run->lock);
                run->fetching--;
                if (r == 0) {
                        node->image = image;
                        node->state = OPEN;
                        r = add_nodes(run, image, &err);
                }
                if (r < 0 && run->result == 0) {
                        run->result = r;
                        run->error = err;
                }
                pthread_cond_broadcast(&run->changed);
        }
        run->threads--;
        pthread_cond_broadcast(&run->changed);
        pthread_mutex_unlock(&run->lock);
        return NULL;
}

/* Hands a report to the caller's callback. Cancels the fetches if the callback wants that. */
static void hand_on(struct run *run, const struct mayfly_progress *progress)
{
        const struct mayfly_image_options *options = run->request->options;

        if (options->progress(progress, options->progress_userdata) == 0 || progress->phase == MAYFLY_PROGRESS_DONE)
                return;
        pthread_mutex_lock(&run->lock);
        run->cancelled = 1;
        pthread_cond_broadcast(&run->changed);
        pthread_mutex_unlock(&run->lock);
}

/* Hands the new reports of a node to the caller's callback, a warning first. */
static void report_node(struct run *run, struct node *node)
{
        mf_cleanup(mf_freep) char *warning = NULL;
        struct mayfly_progress progress;

        pthread_mutex_lock(&run->lock);
        warning = mf_take(node->warning);
        progress = node->progress;
        int has_news = node->has_news;
        node->has_news = 0;
        pthread_mutex_unlock(&run->lock);
        if (warning)
                hand_on(run, &(struct mayfly_progress){ .size = sizeof(progress),
                                                        .phase = MAYFLY_PROGRESS_WARNING,
                                                        .reference = node->text,
                                                        .warning = warning });
        if (has_news)
                hand_on(run, &progress);
}

/* Hands all new reports to the caller's callback, in the caller's thread. */
static void report(struct run *run)
{
        for (size_t i = 0;; i++) {
                pthread_mutex_lock(&run->lock);
                struct node *node = i < run->n ? run->node[i] : NULL;
                pthread_mutex_unlock(&run->lock);
                if (!node)
                        return;
                report_node(run, node);
        }
}

/* Reports progress until all threads have ended. */
static void coordinate(struct run *run)
{
        pthread_mutex_lock(&run->lock);
        while (run->threads > 0) {
                const struct timespec until = mf_in_ms(REPORT_MS);
                if (pthread_cond_timedwait(&run->changed, &run->lock, &until) != ETIMEDOUT)
                        continue;
                pthread_mutex_unlock(&run->lock);
                if (run->request->options->progress)
                        report(run);
                pthread_mutex_lock(&run->lock);
        }
        pthread_mutex_unlock(&run->lock);
        if (run->request->options->progress)
                report(run);
}

/* Fetches all missing images, in threads. Returns 0 or negative errno. */
static int fetch_all(struct run *run, struct mayfly_error *err)
{
        pthread_t thread[THREADS_MAX];
        unsigned started = 0;
        int r = 0;

        pthread_mutex_lock(&run->lock);
        for (; started < THREADS_MAX && r == 0; started += r == 0)
                r = mf_thread_start(&thread[started], fetch_some, run);
        run->threads = started;
        pthread_mutex_unlock(&run->lock);
        if (started == 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "no thread can be started to fetch the dependencies of %s", run->request->text);
        coordinate(run);
        for (unsigned i = 0; i < started; i++)
                pthread_join(thread[i], NULL);
        if (run->result < 0)
                return mf_error(err, run->result, run->error.stage, "%s", run->error.message);
        return next_wanted(run) ? mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP,
                                           "fetching the dependencies of %s was cancelled", run->request->text)
                                : 0;
}

/* --- checks -------------------------------------------------------------------------------------------------- */

/* Returns the image (0) or one of its dependencies. */
static const struct mayfly_image *nth(const struct mayfly_image *image, size_t i)
{
        return i == 0 ? image : image->dependencies[i - 1];
}

/* Returns the index for nth(), or 0 when no dependency has the ID. */
static size_t index_of(const struct mayfly_image *image, const char *id)
{
        for (size_t i = 1; i <= image->n_dependencies; i++)
                if (strcasecmp(nth(image, i)->id, id) == 0)
                        return i;
        return 0;
}

const struct mayfly_image *mf_dependency(const struct mayfly_image *image, const struct mf_dependency *dependency)
{
        return nth(image, index_of(image, dependency->id));
}

/* Checks that each dependency has the name and labels that every image which depends on it gives. Returns 0 or negative
 * errno. */
static int check_names(const struct mayfly_image *image, struct mayfly_error *err)
{
        for (size_t i = 0; i <= image->n_dependencies; i++) {
                const struct mf_image_config *config = nth(image, i)->config;
                for (size_t k = 0; k < config->n_dependencies; k++) {
                        struct mayfly_error why = MAYFLY_ERROR_INIT;
                        struct mf_reference reference = { 0 };
                        mf_cleanup(mf_freep) char *text = NULL;
                        int r = parse(nth(image, i), &config->dependencies[k], &reference, &text, err);
                        if (r < 0)
                                return r;
                        struct mf_image_name asked = *reference.name;
                        asked.n_labels = asked.n_asked;
                        r = mf_image_name_match(&asked, mf_dependency(image, &config->dependencies[k])->config, &why);
                        mf_reference_clear(&reference);
                        if (r < 0)
                                return mf_error(err, r, why.stage, "a dependency of image %s cannot be used: %s",
                                                config->name, why.message);
                }
        }
        return 0;
}

/* Whether `others` has all of `labels`. */
static int has_all(char *const *labels, char *const *others)
{
        for (; *labels; labels++) {
                char *const *l = others;
                while (*l && strcmp(*l, *labels) != 0)
                        l++;
                if (!*l)
                        return 0;
        }
        return 1;
}

static int is_same(const struct mf_image_config *a, const struct mf_image_config *b)
{
        return strcmp(a->name, b->name) == 0 && has_all(a->labels, b->labels) && has_all(b->labels, a->labels);
}

/* Sets an error that shows the cycle from `start` to `end`. Returns a negative errno. */
static int tell_cycle(const struct mayfly_image *image, const size_t *from, size_t end, size_t start,
                      struct mayfly_error *err)
{
        char way[1500] = "";

        /* `from` leads backwards, from the end to the start. */
        size_t step[MF_DEPENDENCIES_MAX + 2], n = 0;
        for (size_t i = end; n < MF_ELEMENTSOF(step); i = from[i]) {
                step[n++] = i;
                if (i == start)
                        break;
        }
        for (size_t used = 0; n > 0 && used < sizeof(way) - 1; used = strlen(way)) {
                mf_cleanup(mf_freep) char *name = NULL;
                char shown[MF_SHOWN_MAX];
                const struct mf_image_config *config = nth(image, step[--n])->config;
                if (name_of(config->name, config->labels, &name) < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                mf_show_url(shown, name, 0);
                snprintf(way + used, sizeof(way) - used, "%s%s", used ? " -> " : "", shown);
        }
        return mf_error(err, -ELOOP, MAYFLY_STAGE_MANIFEST,
                        "the dependencies form a cycle: %s; remove one of these dependencies, or give different images "
                        "different labels",
                        way);
}

/* Returns 0, or -ELOOP when an image depends, maybe indirectly, on an image with the same name and labels. A circle of IDs is
 * impossible. */
static int check_cycles(const struct mayfly_image *image, struct mayfly_error *err)
{
        size_t from[MF_DEPENDENCIES_MAX + 1], queue[MF_DEPENDENCIES_MAX + 1];

        for (size_t start = 0; start <= image->n_dependencies; start++) {
                char seen[MF_DEPENDENCIES_MAX + 1] = { 0 };
                size_t n = 0;
                queue[n++] = start;
                seen[start] = 1;
                for (size_t at = 0; at < n; at++) {
                        const struct mf_image_config *config = nth(image, queue[at])->config;
                        for (size_t i = 0; i < config->n_dependencies; i++) {
                                size_t next = index_of(image, config->dependencies[i].id);
                                if (seen[next] && next != start)
                                        continue;
                                from[next] = queue[at];
                                if (is_same(nth(image, next)->config, nth(image, start)->config))
                                        return tell_cycle(image, from, next, start, err);
                                seen[next] = 1;
                                queue[n++] = next;
                        }
                }
        }
        return 0;
}

/* --- opening ------------------------------------------------------------------------------------------------- */

/* Moves all open images to image->dependencies, and frees the nodes. Returns 0 or -ENOMEM. */
static int hand_over(struct run *run, struct mayfly_image *image)
{
        struct mayfly_image **list = calloc(run->n + 1, sizeof(struct mayfly_image *));

        for (size_t i = 0; i < run->n; i++) {
                struct node *node = run->node[i];
                if (list && node->image)
                        list[image->n_dependencies++] = node->image;
                else
                        mayfly_image_close(node->image);
                mf_reference_clear(&node->reference);
                free(node->text);
                free(node->warning);
                free(node);
        }
        image->dependencies = list;
        return list ? 0 : -ENOMEM;
}

int mf_dependencies_open(struct mayfly_image *image, const struct mf_image_request *request, struct mayfly_error *err)
{
        pthread_condattr_t attributes;
        unsigned missing = 0;

        if (image->config->n_dependencies == 0)
                return 0;
        struct run *run = calloc(1, sizeof(*run));
        if (!run)
                return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        run->request = request;
        pthread_mutex_init(&run->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&run->changed, &attributes);
        pthread_condattr_destroy(&attributes);

        int r = add_nodes(run, image, err);
        if (r == 0)
                r = open_stored(run, &missing, err);
        if (r == 0 && missing > 0)
                r = request->only_stored ? -ENOENT : fetch_all(run, err);
        if (hand_over(run, image) < 0 && r == 0)
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        pthread_cond_destroy(&run->changed);
        pthread_mutex_destroy(&run->lock);
        free(run);
        if (request->layer_fetcher) /* layers have no names, and depend on nothing */
                return r;
        if (r == 0)
                r = check_names(image, err);
        if (r == 0)
                r = check_cycles(image, err);
        return r;
}
