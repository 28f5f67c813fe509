/* np.array(value) and np.array(value, dtype) over JSON values, without making any Python value.
 *
 * Shapes are found as PyArray_DiscoverDTypeAndShape does (numpy/_core/src/multiarray/
 * array_coercion.c): lists are dimensions, dicts are values, lists of unequal lengths are an error
 * for every dtype but object. Values are stored as each dtype's setitem does (arraytypes.c.src).
 * Numbers go straight from the JSON document into the array's buffer. */
#ifndef MR_SCHEMA_NDARRAY_H
#define MR_SCHEMA_NDARRAY_H

#include <yyjson.h>

#include "schema/table.h"

/* What an array is made of. */
struct mr_ndarray_source {
    const char *key;    /* where it stands in the request, for messages: "inputs", "instances" */
    struct mr_str name; /* of the input, for messages; size 0: none */
    yyjson_val *const *values;
    int64_t n; /* this many arrays, one of each value, stacked along a new first dimension;
                  MR_NDARRAY_ONE: the array of values[0] */
};

#define MR_NDARRAY_ONE (-1)

/* np.array(value): bool, int64, uint64, float64, str, or object for what holds None, a dict or an
 * int beyond 64 bits. Stacked: np.array([np.array(value) for value in values]).
 * out      all but name and is_numbered; texts point into the JSON document, objects are its values
 * returns  MR_OK; MR_E_BAD_REQUEST with the place; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_ndarray_infer(const struct mr_ndarray_source *source,
                                         struct mr_arena *arena, struct mr_tensor *out,
                                         struct mr_error *err);

/* np.array(value, dtype). Integers must fit the dtype; floats are cut off towards zero; texts are
 * read as int() and float() do, dates as np.datetime64 does; any value has a truth and a str.
 * raw_reason  set, and *out not filled, when only Python knows the answer; else left alone
 * returns     MR_OK; MR_E_BAD_REQUEST with place, expected and received; MR_E_TOO_LARGE,
 *             MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_ndarray_cast(const struct mr_ndarray_source *source, mr_dtype dtype,
                                        struct mr_arena *arena, struct mr_tensor *out,
                                        const char **raw_reason, struct mr_error *err);

#endif
