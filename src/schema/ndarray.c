#include "schema/ndarray.h"

#include <stdio.h>

#include "schema/ndarray_item.h"
#include "schema/py_value.h"

/* Indices from the array to the value at hand, for messages. */
struct path {
    int64_t index[MR_MAX_DIMS + 1];
    size_t n;
};

static void place(const struct mr_ndarray_source *source, const struct path *path, char *out,
                  size_t size) {
    int at = source->name.size ? snprintf(out, size, "%s '%.*s'", source->key,
                                          (int)(source->name.size > 60 ? 60 : source->name.size),
                                          source->name.data)
                               : snprintf(out, size, "%s", source->key);
    for (size_t i = 0; i < path->n && at > 0 && (size_t)at + 40 < size; i++) {
        at += snprintf(out + at, size - (size_t)at, "[%lld]", (long long)path->index[i]);
    }
}

/* --- shape and kinds ------------------------------------------------------------------------- */

struct scan {
    int64_t shape[MR_MAX_DIMS];
    size_t n_dims;       /* max_dims in numpy: so deep may a value stand; shrinks as values come */
    bool is_depth_known; /* MAX_DIMS_WAS_REACHED: a value, or an empty list, was met */
    bool is_ragged;
    bool is_object;   /* lists may be elements, where they do not fit the shape */
    bool is_inferred; /* the dtype follows from the values: */
    unsigned kinds;   /* mr_py_kind of all values met */
    struct path path;

    /* Of the first value that does not fit; set with is_ragged. */
    yyjson_val *ragged;
    struct path ragged_at;
    const char *expected;  /* NULL: it is too deep */
    int64_t expected_size; /* of a list; -1: said by `expected` alone */
};

/* Field by field: a request of one row should not pay for clearing both paths. */
static void scan_init(struct scan *scan, bool is_inferred, bool is_object) {
    scan->n_dims = MR_MAX_DIMS;
    scan->is_depth_known = scan->is_ragged = false;
    scan->is_object = is_object;
    scan->is_inferred = is_inferred;
    scan->kinds = 0;
    scan->path.n = 0;
}

static void set_ragged(struct scan *scan, yyjson_val *value, size_t n_dims, const char *expected,
                       int64_t expected_size) {
    scan->n_dims = n_dims;
    if (scan->is_ragged) return;
    scan->is_ragged = true;
    scan->ragged = value;
    scan->ragged_at = scan->path;
    scan->expected = expected;
    scan->expected_size = expected_size;
}

/* handle_scalar: a value that is not a list, at that depth. */
static void scan_value(struct scan *scan, yyjson_val *value, size_t depth) {
    if (scan->n_dims != depth) {
        if (scan->is_depth_known) set_ragged(scan, value, depth, "a list", scan->shape[depth]);
        scan->n_dims = depth;
    }
    scan->is_depth_known = true;
    if (scan->is_inferred) scan->kinds |= (unsigned)mr_py_kind_of(value);
}

static bool enter_dim(struct scan *scan, yyjson_val *value, size_t depth, int64_t size) {
    if (depth == scan->n_dims) { /* a list where values stand, or too deep */
        set_ragged(scan, value, depth, scan->is_depth_known ? "a value" : NULL, -1);
        scan->is_depth_known = true;
        return false;
    }
    if (!scan->is_depth_known) {
        scan->shape[depth] = size;
    } else if (scan->shape[depth] != size) {
        set_ragged(scan, value, depth, "a list", scan->shape[depth]);
        return false;
    }
    if (size == 0) {
        scan->is_depth_known = true;
        scan->n_dims = depth + 1;
    }
    return true;
}

/* PyArray_DiscoverDTypeAndShape_Recursive. Recurses at most MR_MAX_DIMS deep. */
static void scan_any(struct scan *scan, yyjson_val *value, size_t depth) {
    if (!yyjson_is_arr(value)) {
        scan_value(scan, value, depth);
        return;
    }
    if (!enter_dim(scan, value, depth, (int64_t)yyjson_arr_size(value))) return;
    yyjson_val *item;
    size_t i, n;
    scan->path.n = depth + 1;
    yyjson_arr_foreach(value, i, n, item) {
        if (!yyjson_is_arr(item) && scan->is_depth_known && scan->n_dims == depth + 1) {
            /* As scan_value, in the common case. */
            if (scan->is_inferred) scan->kinds |= (unsigned)mr_py_kind_of(item);
            continue;
        }
        scan->path.index[depth] = (int64_t)i;
        scan_any(scan, item, depth + 1);
        scan->path.n = depth + 1;
        if (scan->is_ragged && !scan->is_object) return;
    }
    scan->path.n = depth;
}

static void scan_source(struct scan *scan, const struct mr_ndarray_source *source) {
    if (source->n == MR_NDARRAY_ONE) {
        scan_any(scan, source->values[0], 0);
        return;
    }
    enter_dim(scan, NULL, 0, source->n);
    for (int64_t i = 0; i < source->n && !scan->is_ragged; i++) {
        scan->path.n = 1;
        scan->path.index[0] = i;
        scan_any(scan, source->values[i], 1);
    }
}

static mr_status fail_ragged(const struct mr_ndarray_source *source, const struct scan *scan,
                             struct mr_error *err) {
    char where[256], received[96], of[32] = "";
    place(source, &scan->ragged_at, where, sizeof(where));
    mr_py_describe(scan->ragged, received, sizeof(received));
    if (!scan->expected) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s: lists are nested deeper than %d levels", where,
                       MR_MAX_DIMS);
    }
    if (scan->expected_size >= 0) {
        snprintf(of, sizeof(of), " of %lld", (long long)scan->expected_size);
    }
    return mr_fail(err, MR_E_BAD_REQUEST, "%s: expected %s%s as in the values before, received %s",
                   where, scan->expected, of, received);
}

/* --- values ---------------------------------------------------------------------------------- */

struct fill {
    const struct mr_ndarray_source *source;
    struct mr_arena *arena;
    mr_dtype dtype;
    size_t item_bytes;
    size_t n_dims;
    char *next;   /* where the next element goes */
    mr_dtype via; /* each value passes through an array of this dtype first; MR_OBJECT: none */
    struct path path;
    bool is_wide; /* of mr_tensor */
    const char *raw_reason;
};

static size_t item_bytes(mr_dtype dtype) {
    size_t size = mr_dtype_size(dtype);
    return size ? size : sizeof(struct mr_str);
}

static mr_status fail_item(const struct fill *fill, yyjson_val *value, mr_item_result result,
                           const char *fault, struct mr_error *err) {
    char where[256], received[96];
    place(fill->source, &fill->path, where, sizeof(where));
    mr_py_describe(value, received, sizeof(received));
    const char *detail = result == MR_ITEM_RANGE ? "which is out of its range" : fault;
    return mr_fail(err, MR_E_BAD_REQUEST, "%s: expected %s, received %s%s%s", where,
                   mr_dtype_name(fill->dtype), received, detail ? ", " : "", detail ? detail : "");
}

/* numpy makes room for the NULs at the end of a text, though they are no part of it. */
static bool ends_in_nul(yyjson_val *value) {
    const char *text = yyjson_get_str(value);
    size_t size = yyjson_get_len(value);
    return text && size && text[size - 1] == '\0';
}

static mr_status fill_one(struct fill *fill, yyjson_val *value, struct mr_error *err) {
    const char *fault = NULL;
    fill->is_wide |= ends_in_nul(value);
    if (fill->via != MR_OBJECT) value = mr_item_via(value, fill->via, fill->arena);
    mr_item_result result = value
                                ? mr_item_store(value, fill->dtype, fill->next, fill->arena, &fault)
                                : MR_ITEM_NO_MEMORY;
    fill->next += fill->item_bytes;
    if (result == MR_ITEM_OK) return MR_OK;
    if (result == MR_ITEM_NO_MEMORY) return mr_arena_fail(fill->arena, err);
    if (result == MR_ITEM_RAW) {
        fill->raw_reason = "a value whose text or number only Python can tell";
        return MR_OK;
    }
    return fail_item(fill, value, result, fault, err);
}

/* A list of numbers into float64: the loop that large payloads spend their time in. Stops at the
 * first value that is no plain number; returns how many it took. */
static size_t fill_doubles(yyjson_val *list, double *out, yyjson_val **stopped_at) {
    yyjson_val *item;
    size_t i, n;
    *stopped_at = NULL;
    yyjson_arr_foreach(list, i, n, item) {
        if (unsafe_yyjson_is_real(item)) {
            out[i] = item->uni.f64;
        } else if (unsafe_yyjson_is_uint(item)) {
            out[i] = (double)item->uni.u64;
        } else if (unsafe_yyjson_is_sint(item)) {
            out[i] = (double)item->uni.i64;
        } else {
            *stopped_at = item;
            return i;
        }
    }
    return n;
}

static mr_status fill_row(struct fill *fill, yyjson_val *list, size_t depth, struct mr_error *err) {
    yyjson_val *item = yyjson_arr_get_first(list);
    size_t i = 0, n = yyjson_arr_size(list);
    if (fill->dtype == MR_FLOAT64 && fill->via == MR_OBJECT) {
        i = fill_doubles(list, (double *)(void *)fill->next, &item);
        fill->next += i * sizeof(double);
    }
    for (; i < n; i++, item = unsafe_yyjson_get_next(item)) {
        fill->path.n = depth + 1;
        fill->path.index[depth] = (int64_t)i;
        MR_TRY(fill_one(fill, item, err));
    }
    return MR_OK;
}

/* Everything under a value that stands at that depth. Recurses at most MR_MAX_DIMS deep. */
static mr_status fill_any(struct fill *fill, yyjson_val *value, size_t depth,
                          struct mr_error *err) {
    if (depth == fill->n_dims) {
        fill->path.n = depth;
        return fill_one(fill, value, err);
    }
    if (depth + 1 == fill->n_dims) return fill_row(fill, value, depth, err);
    yyjson_val *item;
    size_t i, n;
    yyjson_arr_foreach(value, i, n, item) {
        fill->path.index[depth] = (int64_t)i;
        MR_TRY(fill_any(fill, item, depth + 1, err));
    }
    return MR_OK;
}

static mr_dtype dtype_of_kinds(unsigned kinds) {
    if (kinds & (MR_PY_NONE | MR_PY_DICT | MR_PY_BIG)) return MR_OBJECT;
    if (kinds & MR_PY_STR) return MR_STRING;
    if (kinds & MR_PY_FLOAT) return MR_FLOAT64;
    /* There is no integer type for both uint64 and negative numbers. */
    if (kinds & MR_PY_UINT) return kinds & MR_PY_INT ? MR_FLOAT64 : MR_UINT64;
    if (kinds & MR_PY_INT) return MR_INT64;
    return kinds & MR_PY_BOOL ? MR_BOOL : MR_FLOAT64;
}

/* The dtype that np.array(value) has on its own, which shows in texts and objects: in
 * [[1, 2.5], ["a", "b"]] as one array the first text is "1", stacked from two arrays "1.0". */
static mr_dtype via_of(yyjson_val *value) {
    struct scan scan;
    scan_init(&scan, true, false);
    scan_any(&scan, value, 0);
    return dtype_of_kinds(scan.kinds);
}

static mr_status fill_source(struct fill *fill, bool is_via, struct mr_error *err) {
    const struct mr_ndarray_source *source = fill->source;
    if (source->n == MR_NDARRAY_ONE) return fill_any(fill, source->values[0], 0, err);
    for (int64_t i = 0; i < source->n; i++) {
        if (is_via) fill->via = via_of(source->values[i]);
        fill->path.index[0] = i;
        MR_TRY(fill_any(fill, source->values[i], 1, err));
    }
    return MR_OK;
}

/* An array of a scanned shape, its values filled in. */
static mr_status build(const struct mr_ndarray_source *source, const struct scan *scan,
                       mr_dtype dtype, bool is_via, struct mr_arena *arena, struct mr_tensor *out,
                       const char **raw_reason, struct mr_error *err) {
    int64_t n_values = 1;
    for (size_t i = 0; i < scan->n_dims; i++) n_values *= scan->shape[i];
    int64_t *shape = mr_arena_array(arena, scan->n_dims, sizeof(*shape));
    char *values = mr_arena_array(arena, (size_t)n_values, item_bytes(dtype));
    if (!shape || !values) return mr_arena_fail(arena, err);
    memcpy(shape, scan->shape, scan->n_dims * sizeof(*shape));
    struct fill fill;
    fill.source = source;
    fill.arena = arena;
    fill.dtype = dtype;
    fill.item_bytes = item_bytes(dtype);
    fill.n_dims = scan->n_dims;
    fill.next = values;
    fill.via = MR_OBJECT;
    fill.is_wide = false;
    fill.raw_reason = NULL;
    MR_TRY(fill_source(&fill, is_via, err));
    if (fill.raw_reason) {
        *raw_reason = fill.raw_reason;
        return MR_OK;
    }
    out->dtype = dtype;
    out->n_dims = scan->n_dims;
    out->shape = shape;
    out->n_values = n_values;
    out->values = values;
    out->is_wide = fill.is_wide;
    return MR_OK;
}

mr_status mr_ndarray_infer(const struct mr_ndarray_source *source, struct mr_arena *arena,
                           struct mr_tensor *out, struct mr_error *err) {
    struct scan scan;
    scan_init(&scan, true, false);
    scan_source(&scan, source);
    if (scan.is_ragged) return fail_ragged(source, &scan, err);
    mr_dtype dtype = dtype_of_kinds(scan.kinds);
    bool is_via = source->n != MR_NDARRAY_ONE && (dtype == MR_STRING || dtype == MR_OBJECT);
    const char *raw_reason;
    MR_TRY(build(source, &scan, dtype, is_via, arena, out, &raw_reason, err));
    /* Among texts there is room for any number of the dtype that the numbers have. */
    out->is_wide |= dtype == MR_STRING && scan.kinds != MR_PY_STR;
    return MR_OK;
}

/* Stacked arrays of objects: each array may be ragged, but they must have one shape. */
static mr_status scan_objects(const struct mr_ndarray_source *source, struct scan *out,
                              struct mr_error *err) {
    out->n_dims = 1;
    out->shape[0] = source->n;
    for (int64_t i = 0; i < source->n; i++) {
        struct scan scan;
        scan_init(&scan, false, true);
        scan_any(&scan, source->values[i], 0);
        size_t bytes = scan.n_dims * sizeof(scan.shape[0]);
        if (i == 0 && scan.n_dims < MR_MAX_DIMS) {
            memcpy(out->shape + 1, scan.shape, bytes);
            out->n_dims = scan.n_dims + 1;
        } else if (out->n_dims != scan.n_dims + 1 || memcmp(out->shape + 1, scan.shape, bytes)) {
            out->path.index[0] = i;
            out->path.n = 1;
            set_ragged(out, source->values[i], 1, "an array of one shape", -1);
            return fail_ragged(source, out, err);
        }
    }
    return MR_OK;
}

mr_status mr_ndarray_cast(const struct mr_ndarray_source *source, mr_dtype dtype,
                          struct mr_arena *arena, struct mr_tensor *out, const char **raw_reason,
                          struct mr_error *err) {
    struct scan scan;
    scan_init(&scan, false, dtype == MR_OBJECT);
    if (scan.is_object && source->n != MR_NDARRAY_ONE) {
        MR_TRY(scan_objects(source, &scan, err));
    } else {
        scan_source(&scan, source);
        if (scan.is_ragged && !scan.is_object) return fail_ragged(source, &scan, err);
    }
    return build(source, &scan, dtype, false, arena, out, raw_reason, err);
}
