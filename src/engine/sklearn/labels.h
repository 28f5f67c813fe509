/* classes_: the labels that a classifier answers with, of any dtype it can have. */
#ifndef MR_ENGINE_SKLEARN_LABELS_H
#define MR_ENGINE_SKLEARN_LABELS_H

#include "engine/sklearn/estimator.h"

struct mr_sk_labels {
    mr_dtype dtype; /* bool, integers, floats, MR_STRING */
    size_t n;
    size_t item_bytes;  /* of one label in `values`, and in a prediction */
    const void *values; /* MR_STRING: struct mr_str each */
};

/* Copy the array under an attribute: numbers, or texts (numpy's own or an object array of str).
 * arena    the model's: predictions point to its texts
 * returns  MR_OK; MR_E_UNSUPPORTED for fewer than two labels and for labels of other types */
MR_MUST_CHECK mr_status mr_sk_read_labels(const struct mr_sk_estimator *estimator,
                                          const char *attribute, struct mr_arena *arena,
                                          struct mr_sk_labels *out, struct mr_error *err);

/* The same of an object; place: what to call it in messages. One label is enough. */
MR_MUST_CHECK mr_status mr_sk_copy_labels(const struct mr_sk_estimator *estimator,
                                          const struct mr_object *object, const char *place,
                                          struct mr_arena *arena, struct mr_sk_labels *out,
                                          struct mr_error *err);

/* out[i] = labels[index[i]]; out has room for n items. Each index is less than labels->n. */
void mr_sk_take_labels(const struct mr_sk_labels *labels, const uint32_t *index, size_t n,
                       void *out);

#endif
