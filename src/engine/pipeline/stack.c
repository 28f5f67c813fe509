#include "engine/pipeline/stack.h"

#include "engine/pipeline/strided.h"

/* Dtypes --------------------------------------------------------------------------------------- */

static mr_dtype signed_of(size_t size) {
    switch (size) {
    case 1: return MR_INT8;
    case 2: return MR_INT16;
    case 4: return MR_INT32;
    case 8: return MR_INT64;
    default: return MR_FLOAT64; /* what holds int64 and uint64 */
    }
}

/* numpy.promote_types of numbers (mr_pipe_is_number). */
static mr_dtype promote(mr_dtype a, mr_dtype b) {
    char kind_a = mr_dtype_kind(a), kind_b = mr_dtype_kind(b);
    size_t size_a = mr_dtype_size(a), size_b = mr_dtype_size(b);
    if (kind_a == kind_b) return size_a >= size_b ? a : b;
    if (kind_a == 'b') return b;
    if (kind_b == 'b') return a;
    if (kind_a == 'f' || kind_b == 'f') {
        mr_dtype floats = kind_a == 'f' ? a : b;
        size_t n_bytes = kind_a == 'f' ? size_b : size_a; /* of the integers */
        mr_dtype needed = n_bytes == 1 ? MR_FLOAT16 : n_bytes == 2 ? MR_FLOAT32 : MR_FLOAT64;
        return mr_dtype_size(floats) >= mr_dtype_size(needed) ? floats : needed;
    }
    size_t signed_size = kind_a == 'i' ? size_a : size_b;
    size_t unsigned_size = kind_a == 'i' ? size_b : size_a;
    return signed_of(signed_size > unsigned_size ? signed_size : unsigned_size * 2);
}

/* numpy.result_type: floating-point dtypes first, else int16, uint16 and float32 made float64. */
static mr_dtype result_type(size_t n, mr_dtype (*dtype_of)(const void *items, size_t i),
                            const void *items) {
    mr_dtype dtype = MR_BOOL;
    for (int is_float = 1; is_float >= 0; is_float--) {
        for (size_t i = 0; i < n; i++) {
            mr_dtype other = dtype_of(items, i);
            if ((mr_dtype_kind(other) == 'f') == is_float) dtype = promote(dtype, other);
        }
    }
    return dtype;
}

static mr_dtype dtype_of_column(const void *columns, size_t i) {
    return ((const struct mr_column *)columns)[i].dtype;
}

mr_dtype mr_pipe_result_type(const struct mr_pipe_x *x) {
    if (x->input.kind != MR_INPUT_TABLE) return x->input.tensors[0].dtype;
    return result_type(x->input.table.n_cols, dtype_of_column, x->input.table.columns);
}

/* DataFrame.to_numpy: booleans beside numbers make Python objects, of which later steps make
 * float64. */
static bool makes_objects(const struct mr_table *table) {
    size_t n_bools = 0;
    for (size_t i = 0; i < table->n_cols; i++) n_bools += table->columns[i].dtype == MR_BOOL;
    return n_bools != 0 && n_bools != table->n_cols;
}

static mr_dtype dtype_of_part(const void *parts, size_t i) {
    const struct mr_pipe_x *x = (const struct mr_pipe_x *)parts + i;
    if (x->kind == MR_PIPE_SPARSE) return x->csr->dtype;
    bool is_table = x->input.kind == MR_INPUT_TABLE;
    return is_table && makes_objects(&x->input.table) ? MR_FLOAT64 : mr_pipe_result_type(x);
}

static mr_status check_parts(const struct mr_pipe_x *parts, size_t n, struct mr_error *err) {
    for (size_t i = 0; i < n; i++) {
        const char *reason = NULL;
        if (parts[i].kind == MR_PIPE_SPARSE) continue;
        if (parts[i].kind == MR_PIPE_FRAME && mr_pipe_are_numbers(&parts[i], &reason)) continue;
        return mr_fail(err, MR_E_BAD_REQUEST, "columns that are passed through must be numbers");
    }
    return MR_OK;
}

/* Values --------------------------------------------------------------------------------------- */

/* Copies a column into a column of rows that are `stride` bytes long. */
static void copy_column(const struct mr_pipe_strided *from, size_t n_rows, mr_dtype dtype, char *to,
                        size_t stride) {
    if (dtype == MR_FLOAT64) {
        for (size_t r = 0; r < n_rows; r++)
            *(double *)(to + r * stride) = mr_pipe_read_double(from, r);
    } else if (dtype == MR_FLOAT32) {
        for (size_t r = 0; r < n_rows; r++) {
            *(float *)(to + r * stride) = (float)mr_pipe_read_double(from, r);
        }
    } else {
        for (size_t r = 0; r < n_rows; r++) {
            mr_pipe_write_integer(dtype, to + r * stride, mr_pipe_read_integer(from, r));
        }
    }
}

/* Dense ---------------------------------------------------------------------------------------- */

static mr_status stack_dense(const struct mr_pipe_x *parts, size_t n, size_t n_cols, mr_dtype dtype,
                             struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    size_t n_rows = mr_pipe_n_rows(&parts[0]), size = mr_dtype_size(dtype);
    char *values = mr_arena_array(arena, n_rows * n_cols, size);
    if (!values) return mr_arena_fail(arena, err);
    size_t stride = n_cols * size;
    char *to = values;
    for (size_t i = 0; i < n; i++) {
        struct mr_pipe_x dense = parts[i];
        if (dense.kind == MR_PIPE_SPARSE) MR_TRY(mr_pipe_toarray(dense.csr, arena, &dense, err));
        size_t n_part = mr_pipe_n_cols(&dense);
        for (size_t c = 0; c < n_part; c++, to += size) {
            struct mr_pipe_strided from = mr_pipe_strided_of(&dense, c);
            copy_column(&from, n_rows, dtype, to, stride);
        }
    }
    return mr_pipe_give_tensor(n_rows, n_cols, dtype, values, arena, out, err);
}

mr_status mr_pipe_gather(const struct mr_pipe_x *x, const uint32_t *columns, size_t n,
                         struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    mr_dtype dtype = mr_pipe_result_type(x);
    size_t n_rows = mr_pipe_n_rows(x), size = mr_dtype_size(dtype);
    char *values = mr_arena_array(arena, n_rows * n, size);
    if (!values) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < n; i++) {
        struct mr_pipe_strided from = mr_pipe_strided_of(x, columns[i]);
        copy_column(&from, n_rows, dtype, values + i * size, n * size);
    }
    MR_TRY(mr_pipe_give_tensor(n_rows, n, dtype, values, arena, out, err));
    bool is_table = x->input.kind == MR_INPUT_TABLE;
    out->input.tensors[0].is_fortran = is_table || x->input.tensors[0].is_fortran;
    return MR_OK;
}

/* Sparse --------------------------------------------------------------------------------------- */

struct items {
    size_t n, capacity;
    uint32_t *columns;
    double *values;
};

static mr_status new_items(size_t capacity, struct mr_arena *arena, struct items *out,
                           struct mr_error *err) {
    *out = (struct items){.capacity = capacity};
    out->columns = mr_arena_array(arena, capacity, sizeof(*out->columns));
    out->values = mr_arena_array(arena, capacity, sizeof(*out->values));
    return out->columns && out->values ? MR_OK : mr_arena_fail(arena, err);
}

/* Adds what is not 0 of one row of a part, whose columns begin at `first`. */
static void add_row(const struct mr_pipe_x *part, size_t r, size_t first, struct items *items) {
    if (part->kind == MR_PIPE_SPARSE) {
        const struct mr_csr *csr = part->csr;
        for (size_t i = csr->starts[r]; i < csr->starts[r + 1]; i++) {
            items->columns[items->n] = (uint32_t)first + csr->columns[i];
            items->values[items->n++] = csr->values[i];
        }
        return;
    }
    size_t n_cols = mr_pipe_n_cols(part);
    for (size_t c = 0; c < n_cols; c++) {
        struct mr_pipe_strided from = mr_pipe_strided_of(part, c);
        double value = mr_pipe_read_double(&from, r);
        if (value == 0) continue;
        items->columns[items->n] = (uint32_t)(first + c);
        items->values[items->n++] = value;
    }
}

static mr_status stack_sparse(const struct mr_pipe_x *parts, size_t n, size_t n_cols,
                              mr_dtype dtype, struct mr_arena *arena, struct mr_pipe_x *out,
                              struct mr_error *err) {
    size_t n_rows = mr_pipe_n_rows(&parts[0]), capacity = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_sparse = parts[i].kind == MR_PIPE_SPARSE;
        capacity += is_sparse ? parts[i].csr->starts[n_rows] : n_rows * mr_pipe_n_cols(&parts[i]);
    }
    struct items items;
    MR_TRY(new_items(capacity, arena, &items, err));
    struct mr_csr *csr = mr_arena_alloc(arena, sizeof(*csr));
    size_t *starts = mr_arena_array(arena, n_rows + 1, sizeof(*starts));
    if (!csr || !starts) return mr_arena_fail(arena, err);
    starts[0] = 0;
    for (size_t r = 0; r < n_rows; r++) {
        size_t first = 0;
        for (size_t i = 0; i < n; i++) {
            add_row(&parts[i], r, first, &items);
            first += mr_pipe_n_cols(&parts[i]);
        }
        starts[r + 1] = items.n;
    }
    *csr = (struct mr_csr){n_rows, n_cols, dtype, starts, items.columns, items.values};
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    return MR_OK;
}

mr_status mr_pipe_stack(const struct mr_pipe_x *parts, size_t n, size_t n_cols, mr_pipe_kind gives,
                        struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    MR_TRY(check_parts(parts, n, err));
    mr_dtype dtype = result_type(n, dtype_of_part, parts);
    if (gives == MR_PIPE_SPARSE) return stack_sparse(parts, n, n_cols, dtype, arena, out, err);
    return stack_dense(parts, n, n_cols, dtype, arena, out, err);
}
