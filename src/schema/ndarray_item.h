/* One JSON value into one element of an array: setitem of each dtype (numpy/_core/src/multiarray/
 * arraytypes.c.src). Used by ndarray.c only. */
#ifndef MR_SCHEMA_NDARRAY_ITEM_H
#define MR_SCHEMA_NDARRAY_ITEM_H

#include <yyjson.h>

#include "base/arena.h"
#include "schema/dtype.h"

typedef enum mr_item_result {
    MR_ITEM_OK,
    MR_ITEM_WRONG,     /* such a value cannot become that dtype */
    MR_ITEM_RANGE,     /* it is too large for it */
    MR_ITEM_RAW,       /* only Python knows: str() of a dict */
    MR_ITEM_NO_MEMORY, /* the arena failed */
} mr_item_result;

/* Store a value; `out` has room for one element of that dtype (struct mr_str for texts).
 * arena    for the texts of numbers
 * fault    set to a constant phrase when there is more to say about MR_ITEM_WRONG */
mr_item_result mr_item_store(yyjson_val *value, mr_dtype dtype, void *out, struct mr_arena *arena,
                             const char **fault);

/* float(value), as float64 arrays store it. */
mr_item_result mr_item_double(yyjson_val *value, double *out);

/* int(value) when it is from low to high. */
mr_item_result mr_item_int(yyjson_val *value, int64_t low, int64_t high, int64_t *out);

/* A value as it comes out of an array of that dtype again, as a JSON value: 1 in a float64 array
 * becomes 1.0, in an array of texts "1". NULL: out of memory. */
yyjson_val *mr_item_via(yyjson_val *value, mr_dtype dtype, struct mr_arena *arena);

#endif
