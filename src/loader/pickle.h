/* Python's pickle format, protocols 0 to 5, as pickle, cloudpickle and joblib write it, read
 * without running anything.
 *
 * Yields the object graph. A pickle is a program: it names functions and classes and calls them
 * (Lib/pickletools.py). Here the names of numpy, scipy, scikit-learn, XGBoost, LightGBM and a few
 * of Python itself become inert records, and calls of a few that make plain data (arrays, sets,
 * dicts) give that data; what else a call would give is an instance with the name of what was
 * called, and its arguments. Any other name ends the reading.
 *
 * The graph is the one that skops gives for the same estimator, except where a pickle does not say
 * what a class is: a named tuple is an instance with arguments, and masked arrays, dtypes, slices
 * and the like are instances as their __reduce__ makes them. Random states are opaque.
 *
 * The bytes are untrusted: time and memory are bounded by the size of the file. */
#ifndef MR_LOADER_PICKLE_H
#define MR_LOADER_PICKLE_H

#include "base/arena.h"
#include "base/status.h"
#include "loader/object.h"

struct mr_pickle {
    const struct mr_object *root;
    int protocol;    /* 0 also when the file does not say */
    int numpy_major; /* 1 or 2: the numpy that pickled its arrays; 0: no array says */
};

/* Read a file or bytes in memory; both may be compressed as joblib does it (zlib, gzip).
 * arena    holds everything *out points to; also temporary data
 * returns  MR_OK; MR_E_IO (no such file, read error), MR_E_FORMAT (what is wrong, and at which
 *          byte, counted unpacked), MR_E_UNSUPPORTED (what needs Python), MR_E_TOO_LARGE (the
 *          arena's cap, or more memory than an honest file of that size takes), MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_pickle_load(const char *path, struct mr_arena *arena,
                                       struct mr_pickle *out, struct mr_error *err);
MR_MUST_CHECK mr_status mr_pickle_parse(struct mr_str file, struct mr_arena *arena,
                                        struct mr_pickle *out, struct mr_error *err);

#endif
