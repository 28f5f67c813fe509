#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "store/sqlite_int.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct mr_sqlite functions;
static const char *missing = "libsqlite3.so.0"; /* or a function of it; NULL: all is there */

static void load(void) {
    void *library = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    static const char *const names[] = {
#define MR_SQLITE_NAME(name) "sqlite3_" #name,
        MR_SQLITE_FUNCTIONS(MR_SQLITE_NAME)
#undef MR_SQLITE_NAME
    };
    /* All members are pointers to functions, in the order of the names. */
    void *found[sizeof(names) / sizeof(names[0])];
    _Static_assert(sizeof(found) == sizeof(functions), "a name for each member");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        missing = names[i];
        found[i] = dlsym(library, names[i]);
        if (!found[i]) return;
    }
    memcpy(&functions, found, sizeof(functions));
    missing = NULL;
}

mr_status mr_sqlite_load(const struct mr_sqlite **out, struct mr_error *err) {
    pthread_once(&once, load);
    if (missing) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "MLflow's sqlite stores need %s, which is not installed: apt-get install "
                       "libsqlite3-0 (or your system's package of SQLite)",
                       missing);
    }
    *out = &functions;
    return MR_OK;
}
