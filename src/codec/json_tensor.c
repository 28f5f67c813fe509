#include "codec/json_tensor_int.h"
#include "schema/py_value.h"

void mr_job_set_misfit(struct mr_tensor_job *job, struct mr_str name, const char *misfit) {
    if (job->misfit) return;
    job->misfit = misfit;
    job->misfit_name = name;
}

/* The numpy dtype of a signature's i-th input. */
static mr_dtype dtype_of_spec(const struct mr_tensor_job *job, size_t spec) {
    return job->signature->kind == MR_SCHEMA_TENSORS
               ? job->signature->tensors[spec].dtype
               : mr_col_type_dtype(job->signature->columns[spec].type);
}

mr_status mr_job_convert(struct mr_tensor_job *job, struct mr_str name, yyjson_val *const *values,
                         int64_t n, size_t spec, struct mr_tensor *out, struct mr_error *err) {
    struct mr_ndarray_source source = {job->key, name, values, n};
    *out = (struct mr_tensor){.name = name};
    if (spec == MR_NAME_NONE) return mr_ndarray_infer(&source, job->arena, out, err);
    return mr_ndarray_cast(&source, dtype_of_spec(job, spec), job->arena, out, &job->raw_reason,
                           err);
}

/* The whole payload as one array. */
static mr_status convert_whole(struct mr_tensor_job *job, yyjson_val *value, struct mr_str name,
                               mr_input_kind kind, struct mr_error *err) {
    struct mr_tensor *tensor = mr_arena_zalloc(job->arena, sizeof(*tensor));
    if (!tensor) return mr_arena_fail(job->arena, err);
    size_t spec = job->signature->kind == MR_SCHEMA_NONE ? MR_NAME_NONE : 0;
    MR_TRY(mr_job_convert(job, name, &value, MR_NDARRAY_ONE, spec, tensor, err));
    *job->input = (struct mr_input){.kind = kind, .tensors = tensor, .n_tensors = 1};
    return MR_OK;
}

/* The members of an object as Python's dict has them: of a key given more than once, the last
 * value in the first one's place. */
static mr_status unique_members(yyjson_val *object, struct mr_arena *arena,
                                struct mr_name_map *names, yyjson_val ***values,
                                struct mr_error *err) {
    mr_name_map_init(names, arena);
    *values = mr_arena_array(arena, yyjson_obj_size(object), sizeof(**values));
    if (!*values) return mr_arena_fail(arena, err);
    yyjson_val *key, *value;
    size_t i, n;
    yyjson_obj_foreach(object, i, n, key, value) {
        size_t index;
        bool is_new;
        struct mr_str name = {yyjson_get_str(key), yyjson_get_len(key)};
        MR_TRY(mr_name_map_add(names, name, &index, &is_new, err));
        (*values)[index] = value;
    }
    return MR_OK;
}

static mr_status convert_dict(struct mr_tensor_job *job, yyjson_val *dict, struct mr_error *err) {
    struct mr_name_map names;
    yyjson_val **values;
    MR_TRY(unique_members(dict, job->arena, &names, &values, err));
    struct mr_tensor *tensors = mr_arena_array(job->arena, names.n, sizeof(*tensors));
    if (!tensors) return mr_arena_fail(job->arena, err);
    for (size_t i = 0; i < names.n; i++) {
        size_t spec = mr_signature_find(job->signature, names.names[i], i);
        MR_TRY(mr_job_convert(job, names.names[i], &values[i], MR_NDARRAY_ONE, spec, &tensors[i],
                              err));
    }
    *job->input = (struct mr_input){
        .kind = MR_INPUT_TENSORS, .tensors = tensors, .n_tensors = names.n};
    return MR_OK;
}

static size_t count_dicts(yyjson_val *list) {
    size_t n_dicts = 0, i, n;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, n, item) n_dicts += yyjson_is_obj(item);
    return n_dicts;
}

/* _cast_schema_type. */
static mr_status cast_schema_type(struct mr_tensor_job *job, yyjson_val *value,
                                  struct mr_error *err) {
    const struct mr_signature *signature = job->signature;
    const struct mr_str unnamed = {0};
    bool is_list = yyjson_is_arr(value);
    size_t n_dicts = is_list ? count_dicts(value) : 0;
    if (signature->has_names && signature->n_inputs == 1 && is_list && n_dicts == 0) {
        MR_TRY(convert_whole(job, value, mr_signature_name(signature, 0), MR_INPUT_TENSORS, err));
        job->input->tensors->is_numbered = signature->is_numbered;
        return MR_OK;
    }
    bool is_unnamed = signature->kind != MR_SCHEMA_NONE && !signature->has_names;
    if (is_unnamed && (yyjson_is_obj(value) || yyjson_is_null(value))) {
        char received[96];
        mr_py_describe(value, received, sizeof(received));
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "%s: the signature has no input names, so one array or one value is "
                       "expected, received %s",
                       job->key, received);
    }
    if (yyjson_is_obj(value)) return convert_dict(job, value, err);
    if (is_list && n_dicts == yyjson_arr_size(value)) return mr_job_rows(job, value, err);
    return convert_whole(job, value, unnamed, MR_INPUT_TENSOR, err);
}

/* What parse_instances_data asks of its columns: one length. Only required ones of a signature
 * with names count; numbers beside arrays are no arrays when the signature types them as columns.
 */
static mr_status check_lengths(const struct mr_tensor_job *job, struct mr_error *err) {
    const struct mr_signature *signature = job->signature;
    const struct mr_tensor *first = NULL;
    for (size_t i = 0; i < job->input->n_tensors; i++) {
        const struct mr_tensor *tensor = &job->input->tensors[i];
        bool is_column = signature->kind == MR_SCHEMA_COLUMNS && signature->has_names;
        if (signature->has_names) {
            size_t spec = mr_signature_find(signature, tensor->name, i);
            if (spec == MR_NAME_NONE) continue;
            if (is_column && (!signature->columns[spec].is_required || tensor->n_dims == 0)) {
                continue;
            }
        }
        if (tensor->n_dims == 0) {
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "%s '%.*s': expected a list with a value for each row, received a "
                           "single value",
                           job->key, MR_STR_ARGS(tensor->name));
        }
        if (!first) first = tensor;
        if (tensor->shape[0] != first->shape[0]) {
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "%s '%.*s': expected %lld values as in '%.*s', received %lld", job->key,
                           MR_STR_ARGS(tensor->name), (long long)first->shape[0],
                           MR_STR_ARGS(first->name), (long long)tensor->shape[0]);
        }
    }
    return MR_OK;
}

/* Whether C knows the types of all inputs. */
static const char *reason_for_raw(const struct mr_signature *signature) {
    if (signature->is_nested) return "a column of a nested type";
    if (signature->kind != MR_SCHEMA_TENSORS) return NULL;
    for (size_t i = 0; i < signature->n_inputs; i++) {
        if (!signature->tensors[i].is_known) return "a tensor of a dtype that C does not have";
    }
    return NULL;
}

static mr_status decode(yyjson_val *value, bool is_instances, const struct mr_signature *signature,
                        struct mr_arena *arena, struct mr_decoded *out, struct mr_error *err) {
    struct mr_tensor_job job = {.key = is_instances ? "instances" : "inputs",
                                .signature = signature,
                                .arena = arena,
                                .input = &out->input,
                                .raw_reason = reason_for_raw(signature)};
    if (!job.raw_reason) {
        if (is_instances && yyjson_is_obj(yyjson_arr_get_first(value))) {
            MR_TRY(mr_job_stacks(&job, value, err));
        } else {
            MR_TRY(cast_schema_type(&job, value, err));
        }
        if (!job.raw_reason && is_instances && out->input.kind == MR_INPUT_TENSORS) {
            MR_TRY(check_lengths(&job, err));
        }
    }
    if (job.misfit && !job.raw_reason) {
        return mr_fail(err, MR_E_INVALID_PARAMETER, "%s%s%.*s%s: %s", job.key,
                       job.misfit_name.size ? " '" : "", MR_STR_ARGS(job.misfit_name),
                       job.misfit_name.size ? "'" : "", job.misfit);
    }
    if (!job.raw_reason) job.raw_reason = job.object_reason;
    if (job.raw_reason) {
        out->input = (struct mr_input){.kind = MR_INPUT_RAW, .raw_reason = job.raw_reason};
    }
    return MR_OK;
}

mr_status mr_json_decode_inputs(yyjson_val *value, const struct mr_signature *signature,
                                struct mr_arena *arena, struct mr_decoded *out,
                                struct mr_error *err) {
    return decode(value, false, signature, arena, out, err);
}

mr_status mr_json_decode_instances(yyjson_val *value, const struct mr_signature *signature,
                                   struct mr_arena *arena, struct mr_decoded *out,
                                   struct mr_error *err) {
    return decode(value, true, signature, arena, out, err);
}
