#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "store/curl_int.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct mr_curl functions;
static const char *missing; /* a function that the library lacks, or what it could not do */

/* 7.85: CURLOPT_PROTOCOLS_STR, without which a redirect may lead to a file. */
#define MIN_VERSION 0x075500
static bool is_found;

/* Built against OpenSSL or GnuTLS: whichever is installed. */
static void *open_library(void) {
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library) return library;
    }
    return NULL;
}

static void load(void) {
    void *library = open_library();
    is_found = library != NULL;
    if (!is_found) return;
    static const char *const names[] = {
#define MR_CURL_NAME(name) "curl_" #name,
        MR_CURL_FUNCTIONS(MR_CURL_NAME)
#undef MR_CURL_NAME
    };
    /* All members are pointers to functions, in the order of the names. */
    void *found[sizeof(names) / sizeof(names[0])];
    _Static_assert(sizeof(found) == sizeof(functions), "a name for each member");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !missing; i++) {
        found[i] = dlsym(library, names[i]);
        if (!found[i]) missing = names[i];
    }
    if (missing) return;
    memcpy(&functions, found, sizeof(functions));
    if (functions.version_info(CURLVERSION_NOW)->version_num < MIN_VERSION) {
        missing = "CURLOPT_PROTOCOLS_STR";
        return;
    }
    if (functions.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) missing = "curl_global_init";
}

mr_status mr_curl_open(const struct mr_curl **out, struct mr_error *err) {
    pthread_once(&once, load);
    if (!is_found) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "models on servers need libcurl.so.4, which is not installed: "
                       "apt-get install libcurl4 (or your system's package of libcurl)");
    }
    if (missing) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%s of the installed libcurl does not work: version 7.85 or newer is needed",
                       missing);
    }
    *out = &functions;
    return MR_OK;
}
