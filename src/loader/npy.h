/* Numpy's .npy format, versions 1.0 to 3.0 (numpy/lib/_format_impl.py).
 *
 * The header is a Python literal; only what numpy itself writes is understood. Pickled arrays
 * (dtype object) are refused. The bytes are untrusted. */
#ifndef MR_LOADER_NPY_H
#define MR_LOADER_NPY_H

#include "base/arena.h"
#include "base/status.h"
#include "loader/object.h"

/* Read one array; see loader/ndarray.h for what becomes of its bytes.
 * file     borrowed; *out does not point into it
 * returns  MR_OK; MR_E_FORMAT with what is wrong; MR_E_UNSUPPORTED (pickled objects, a later format
 *          version); MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_npy_read(struct mr_str file, struct mr_arena *arena,
                                    struct mr_ndarray *out, struct mr_error *err);

#endif
