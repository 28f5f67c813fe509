/* mr_enforce_tensors: _enforce_tensor_schema and _enforce_tensor_spec of mlflow/models/utils.py. */
#include <stdio.h>

#include "schema/enforce_int.h"
#include "schema/table_to_tensor.h"

static void write_shape(size_t n_dims, const int64_t *shape, char *out, size_t size) {
    int at = snprintf(out, size, "(");
    for (size_t i = 0; i < n_dims && (size_t)at + 32 < size; i++) {
        at += snprintf(out + at, size - (size_t)at, "%s%lld", i ? ", " : "", (long long)shape[i]);
    }
    snprintf(out + at, size - (size_t)at, n_dims == 1 ? ",)" : ")");
}

static mr_status fail_shape(const struct mr_tensor_spec *spec, const struct mr_tensor *tensor,
                            struct mr_error *err) {
    char expected[160], received[160];
    write_shape(spec->n_dims, spec->shape, expected, sizeof(expected));
    write_shape(tensor->n_dims, tensor->shape, received, sizeof(received));
    return mr_fail(err, MR_E_INVALID_PARAMETER, "input%s%.*s%s: expected shape %s, received %s",
                   spec->name.size ? " '" : "", MR_STR_ARGS(spec->name), spec->name.size ? "'" : "",
                   expected, received);
}

/* Arrays that MLflow lets through as they are: objects where the signature says so, and lists of
 * unequal lengths, which are one-dimensional arrays of objects. */
static bool is_exempt(const struct mr_tensor_spec *spec, const struct mr_tensor *tensor) {
    if (spec->n_dims == 1 && spec->shape[0] == -1 && spec->dtype == MR_OBJECT) return true;
    bool has_free_dim = false;
    for (size_t i = 1; i < spec->n_dims; i++) has_free_dim |= spec->shape[i] == -1;
    return has_free_dim && tensor->n_dims == 1 && tensor->dtype == MR_OBJECT;
}

/* _enforce_tensor_spec. */
static mr_status enforce_spec(const struct mr_tensor_spec *spec, const struct mr_tensor *tensor,
                              struct mr_error *err) {
    if (is_exempt(spec, tensor)) return MR_OK;
    if (spec->n_dims != tensor->n_dims) return fail_shape(spec, tensor, err);
    for (size_t i = 0; i < spec->n_dims; i++) {
        if (spec->shape[i] != -1 && spec->shape[i] != tensor->shape[i]) {
            return fail_shape(spec, tensor, err);
        }
    }
    if (spec->dtype != tensor->dtype) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "input%s%.*s%s: expected dtype %s, received %s",
                       spec->name.size ? " '" : "", MR_STR_ARGS(spec->name),
                       spec->name.size ? "'" : "", mr_dtype_name(spec->dtype),
                       mr_dtype_name(tensor->dtype));
    }
    return MR_OK;
}

static const struct mr_tensor *find_tensor(const struct mr_input *input, struct mr_str name,
                                           size_t hint) {
    if (hint < input->n_tensors && mr_str_equal(input->tensors[hint].name, name)) {
        return &input->tensors[hint];
    }
    for (size_t i = 0; i < input->n_tensors; i++) {
        if (mr_str_equal(input->tensors[i].name, name)) return &input->tensors[i];
    }
    return NULL;
}

static mr_status fail_missing(const struct mr_tensor_spec *spec, struct mr_error *err) {
    return mr_fail(err, MR_E_INVALID_PARAMETER,
                   "input '%.*s' of the signature is missing: expected a dict of arrays by name, "
                   "or a DataFrame with such columns",
                   MR_STR_ARGS(spec->name));
}

/* A signature with names: a dict of arrays, in the signature's order. */
static mr_status enforce_named(const struct mr_signature *signature, struct mr_input *input,
                               struct mr_arena *arena, struct mr_error *err) {
    struct mr_tensor *tensors = mr_arena_array(arena, signature->n_inputs, sizeof(*tensors));
    if (!tensors) return mr_arena_fail(arena, err);
    for (size_t i = 0; i < signature->n_inputs; i++) {
        const struct mr_tensor_spec *spec = &signature->tensors[i];
        tensors[i] = (struct mr_tensor){0};
        if (input->kind == MR_INPUT_TABLE) {
            const struct mr_column *column = mr_table_find(&input->table, spec->name);
            if (!column) return fail_missing(spec, err);
            MR_TRY(mr_column_to_tensor(&input->table, column, spec, arena, &tensors[i],
                                       &input->raw_reason, err));
            if (input->raw_reason) continue;
        } else {
            /* One array is taken for the only input. */
            const struct mr_tensor *tensor = input->kind == MR_INPUT_TENSORS
                                                 ? find_tensor(input, spec->name, i)
                                             : signature->n_inputs == 1 ? input->tensors
                                                                        : NULL;
            if (!tensor) return fail_missing(spec, err);
            tensors[i] = *tensor;
        }
        tensors[i].name = spec->name;
        tensors[i].is_numbered = signature->is_numbered;
        MR_TRY(enforce_spec(spec, &tensors[i], err));
    }
    input->kind = input->raw_reason ? MR_INPUT_RAW : MR_INPUT_TENSORS;
    input->tensors = tensors;
    input->n_tensors = signature->n_inputs;
    return MR_OK;
}

/* A signature of one tensor without a name: one array. */
static mr_status enforce_unnamed(const struct mr_signature *signature, struct mr_input *input,
                                 struct mr_arena *arena, struct mr_error *err) {
    const struct mr_tensor_spec *spec = signature->tensors;
    if (input->kind == MR_INPUT_TENSORS) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "expected one array, because the signature's input has no name, received a "
                       "dict of %zu",
                       input->n_tensors);
    }
    if (input->kind == MR_INPUT_TABLE) {
        struct mr_tensor *tensor = mr_arena_zalloc(arena, sizeof(*tensor));
        if (!tensor) return mr_arena_fail(arena, err);
        MR_TRY(mr_table_to_tensor(&input->table, spec, arena, tensor, &input->raw_reason, err));
        input->tensors = tensor;
        input->n_tensors = 1;
        if (input->raw_reason) {
            input->kind = MR_INPUT_RAW;
            return MR_OK;
        }
        input->kind = MR_INPUT_TENSOR;
    }
    return enforce_spec(spec, input->tensors, err);
}

mr_status mr_enforce_tensors(const struct mr_signature *signature, struct mr_input *input,
                             struct mr_arena *arena, struct mr_error *err) {
    return signature->has_names ? enforce_named(signature, input, arena, err)
                                : enforce_unnamed(signature, input, arena, err);
}
