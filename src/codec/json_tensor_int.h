/* Inside `inputs` and `instances`: what json_tensor.c (the shapes a payload can have) and
 * json_items.c (lists of dicts) share. Mirrors parse_tf_serving_input, parse_instances_data,
 * _cast_schema_type and convert_data_type of mlflow/utils/proto_json_utils.py. */
#ifndef MR_CODEC_JSON_TENSOR_INT_H
#define MR_CODEC_JSON_TENSOR_INT_H

#include "codec/json_int.h"
#include "schema/ndarray.h"

/* One payload on its way. */
struct mr_tensor_job {
    const char *key; /* "inputs" or "instances" */
    const struct mr_signature *signature;
    struct mr_arena *arena;
    struct mr_input *input; /* filled at the end */

    /* What becomes of it in the end, the first that is set: */
    const char *raw_reason;    /* values were met that only Python can convert, or refuse */
    const char *misfit;        /* MLflow decodes the payload and refuses it when it enforces the
                                  signature: what was expected, what was received */
    struct mr_str misfit_name; /* the input; size 0: the payload as a whole */
    const char *object_reason; /* it passes, as Python objects that C does not have */
};

/* Remember a misfit; the first one counts. */
void mr_job_set_misfit(struct mr_tensor_job *job, struct mr_str name, const char *misfit);

/* convert_data_type of one value, or of n values whose arrays are stacked (MR_NDARRAY_ONE: one).
 * spec     index of the input in the signature, MR_NAME_NONE: np.array(value)
 * returns  MR_OK, also when job->raw_reason was set and *out not filled; MR_E_BAD_REQUEST, ... */
MR_MUST_CHECK mr_status mr_job_convert(struct mr_tensor_job *job, struct mr_str name,
                                       yyjson_val *const *values, int64_t n, size_t spec,
                                       struct mr_tensor *out, struct mr_error *err);

/* `inputs` as a list of dicts, possibly empty (json_items.c). */
MR_MUST_CHECK mr_status mr_job_rows(struct mr_tensor_job *job, yyjson_val *list,
                                    struct mr_error *err);

/* `instances` as a list that begins with a dict: the values of each key, stacked. */
MR_MUST_CHECK mr_status mr_job_stacks(struct mr_tensor_job *job, yyjson_val *list,
                                      struct mr_error *err);

#endif
