/* A sparse matrix by rows, as scipy.sparse.csr_matrix holds it: what pipelines hand to estimators.
 */
#ifndef MR_ENGINE_CSR_H
#define MR_ENGINE_CSR_H

#include <stddef.h>
#include <stdint.h>

#include "schema/dtype.h"

/* Lives in the request's arena. */
struct mr_csr {
    size_t n_rows, n_cols;
    mr_dtype dtype;          /* of numpy's array of values: each of them fits it */
    const size_t *starts;    /* n_rows + 1: items of row r are starts[r] .. starts[r + 1] */
    const uint32_t *columns; /* ascending in each row */
    const double *values;    /* all others are 0; a 0 may be among these */
};

#endif
