/* Keeps a live model up to date: a thread that asks now and then, or when it is told to, what the
 * model's URI means, loads what is new beside the version that is current, has it warmed up, puts
 * it in place, and frees the old one when no request has it any more.
 *
 * What cannot be loaded, or does not answer its own example, changes nothing but a counter: the
 * current version stays. It is tried again, after longer and longer pauses. Files on this machine
 * may be in the middle of being written: they have to stay as they are for an interval, and to be
 * the same after loading as before. */
#ifndef MR_MODEL_KEEPER_H
#define MR_MODEL_KEEPER_H

#include "model/live.h"

struct mr_keeper;

struct mr_keeper_options {
    const char *name; /* of the model, in the log */
    const char *uri;
    struct mr_live *live; /* has a first version, loaded or loading */
    const struct mr_store_options *store;
    const struct mr_engine_options *engine;
    unsigned watch_ms; /* between two looks; 0: only when told to */
    /* Have a version that is not current yet answer the model's own example, if it has one. Is to
     * end soon once mr_keeper_cancel is called.
     * returns  MR_OK, or why it must not become current */
    mr_status (*warm_up)(void *ctx, struct mr_version *version, struct mr_error *err);
    void *ctx;
};

/* Being told to look now. In memory of the caller's, the keeper's until `done`. */
struct mr_reload {
    void (*done)(struct mr_reload *reload); /* on the keeper's thread, or who calls its cancel's */

    /* Filled in before. */
    struct mr_error err;                 /* status is not MR_OK: the current version has stayed */
    bool is_swapped;                     /* else nothing was new */
    char old_label[128], new_label[128]; /* "" where they have none */
};

/* Start the thread. Options are copied, but not what they point to.
 * returns  MR_OK, MR_E_NO_MEMORY, MR_E_IO */
MR_MUST_CHECK mr_status mr_keeper_start(const struct mr_keeper_options *options,
                                        struct mr_keeper **out, struct mr_error *err);

/* The server is about to end: no version becomes current any more, and what is being loaded is
 * given up as soon as may be. Who has asked for a reload is told at once, MR_E_UNAVAILABLE. More
 * than once is allowed, and NULL.  threads: any */
void mr_keeper_cancel(struct mr_keeper *keeper);

/* The same, and end the thread, which may have to end reading a file of a model before. NULL is
 * allowed. */
void mr_keeper_stop(struct mr_keeper *take_keeper);

/* Look now.  threads: any
 * returns  MR_OK: `done` will be called; else it will not: MR_E_CONFLICT: it is looking for
 * somebody else already; MR_E_UNAVAILABLE: it was cancelled */
MR_MUST_CHECK mr_status mr_keeper_reload(struct mr_keeper *keeper, struct mr_reload *reload,
                                         struct mr_error *err);

/* Who has asked does not want to know any more; the reload goes on.  threads: any
 * returns  true: `done` will not be called; false: it is being called, or was */
bool mr_keeper_forget(struct mr_keeper *keeper, struct mr_reload *reload);

/* Times that a version was put in place of another, and that one could not be. threads: any */
struct mr_keeper_counts {
    unsigned long n_swaps, n_failures;
};
struct mr_keeper_counts mr_keeper_counts(const struct mr_keeper *keeper);

#endif
