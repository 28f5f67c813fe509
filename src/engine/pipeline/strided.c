#include "engine/pipeline/strided.h"

struct mr_pipe_strided mr_pipe_strided_of(const struct mr_pipe_x *x, size_t c) {
    if (x->input.kind == MR_INPUT_TABLE) {
        const struct mr_column *column = &x->input.table.columns[c];
        return (struct mr_pipe_strided){column->dtype, column->values,
                                        mr_dtype_size(column->dtype)};
    }
    const struct mr_tensor *tensor = &x->input.tensors[0];
    size_t size = mr_dtype_size(tensor->dtype);
    return (struct mr_pipe_strided){tensor->dtype, (const char *)tensor->values + c * size,
                                    size * (size_t)tensor->shape[1]};
}
