/* The bytes of a numpy array, as every format stores them, to struct mr_ndarray.
 *
 * What is stored big-endian or in Fortran order is brought into native C order. Dtypes that mlrace
 * has no name for give an array without values, not an error. The bytes are untrusted. */
#ifndef MR_LOADER_NDARRAY_H
#define MR_LOADER_NDARRAY_H

#include "base/arena.h"
#include "base/status.h"
#include "loader/object.h"

/* What the items of an array are. */
struct mr_item_type {
    struct mr_str descr; /* "<f8"; borrowed */
    bool is_known;
    mr_dtype dtype;
    bool is_swapped;   /* stored big-endian; every machine mlrace runs on is little-endian */
    size_t item_bytes; /* 0: not known; then the values are not read */
    const struct mr_record *record; /* structured; in the arena of the array */
};

/* What a descr such as "<f8", "|b1", "<U12" or "|V64" stands for. */
struct mr_item_type mr_item_type_of(struct mr_str descr);

/* How the items lie. */
struct mr_array_layout {
    size_t n_dims;        /* at most MR_MAX_DIMS */
    const int64_t *shape; /* copied; none is negative */
    bool is_fortran;
};

/* Make an array.
 * data     the items; more may follow. Borrowed, unless is_kept
 * is_kept  data lies in the arena, aligned to 16 bytes, and never changes: it becomes the array's
 *          values where they need no change
 * returns  MR_OK; MR_E_FORMAT (too few bytes, an impossible shape or text), MR_E_TOO_LARGE,
 *          MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_ndarray_make(const struct mr_item_type *type,
                                        const struct mr_array_layout *layout, struct mr_str data,
                                        bool is_kept, struct mr_arena *arena,
                                        struct mr_ndarray *out, struct mr_error *err);

/* The same of objects, which are in the arena; `items` has exactly as many as the shape says, and
 * is kept where they need no reordering. */
MR_MUST_CHECK mr_status mr_ndarray_of_objects(const struct mr_object_list *items,
                                              const struct mr_array_layout *layout,
                                              struct mr_arena *arena, struct mr_ndarray *out,
                                              struct mr_error *err);

#endif
