/* A set of terms, each with a number: what CountVectorizer's dict vocabulary_ and the stop words
 * are. Immutable once built; lives in the model's arena. */
#ifndef MR_ENGINE_PIPELINE_TEXT_VOCABULARY_H
#define MR_ENGINE_PIPELINE_TEXT_VOCABULARY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define MR_TEXT_NONE UINT32_MAX

/* Bytes behind a term that may be read: terms are compared and hashed eight bytes at a time. */
#define MR_TEXT_SLACK 8

struct mr_text_slot {
    uint32_t tag;    /* high half of the hash */
    uint32_t number; /* MR_TEXT_NONE: free */
    uint32_t start;  /* in bytes */
    uint32_t size;
};

struct mr_text_vocabulary {
    size_t n;
    size_t longest_bytes;
    size_t slot_mask; /* slots are a power of two, at least twice n */
    struct mr_text_slot *slots;
    char *bytes;      /* of all terms */
    uint32_t n_bytes; /* used so far */
};

/* Room for n terms of n_bytes in all, none of them there yet.
 * returns  MR_OK; MR_E_UNSUPPORTED: more than 4 GB; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_text_vocabulary_init(struct mr_text_vocabulary *vocabulary, size_t n,
                                                size_t n_bytes, struct mr_arena *arena,
                                                struct mr_error *err);

/* Add a term. *is_new: false when it is there already.
 * returns  MR_OK; MR_E_UNSUPPORTED: so many terms have hashes alike that looking them up would take
 *          long */
MR_MUST_CHECK mr_status mr_text_vocabulary_add(struct mr_text_vocabulary *vocabulary,
                                               struct mr_str term, uint32_t number, bool *is_new,
                                               struct mr_error *err);

/* The number of a term, MR_TEXT_NONE: not there. MR_TEXT_SLACK bytes behind the term are read. */
uint32_t mr_text_vocabulary_find(const struct mr_text_vocabulary *vocabulary, struct mr_str term);

#endif
