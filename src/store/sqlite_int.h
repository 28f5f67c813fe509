/* SQLite, opened when a URI first needs it: a model in a folder does not pay for it (0.25 ms of
 * every start, were it linked), and the program runs where there is none. */
#ifndef MR_STORE_SQLITE_INT_H
#define MR_STORE_SQLITE_INT_H

#include <sqlite3.h>

#include "base/status.h"

/* The functions that we call, by the names they have without `sqlite3_`. */
#define MR_SQLITE_FUNCTIONS(X)                                                                     \
    X(open_v2)                                                                                     \
    X(close)                                                                                       \
    X(db_config)                                                                                   \
    X(limit)                                                                                       \
    X(busy_timeout)                                                                                \
    X(progress_handler)                                                                            \
    X(errmsg)                                                                                      \
    X(prepare_v2)                                                                                  \
    X(bind_text)                                                                                   \
    X(step)                                                                                        \
    X(column_text)                                                                                 \
    X(column_bytes)                                                                                \
    X(finalize)

struct mr_sqlite {
#define MR_SQLITE_MEMBER(name) __typeof__(&sqlite3_##name) name;
    MR_SQLITE_FUNCTIONS(MR_SQLITE_MEMBER)
#undef MR_SQLITE_MEMBER
};

/* Open the library, once in the life of the process; it stays open.
 * returns  MR_OK; MR_E_UNSUPPORTED with what to install
 * threads  any */
MR_MUST_CHECK mr_status mr_sqlite_load(const struct mr_sqlite **out, struct mr_error *err);

#endif
