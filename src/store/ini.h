/* Files of sections and keys: ~/.mlflow/credentials, ~/.aws/config, as Python's configparser reads
 * them. Borrows the text; allocates nothing. */
#ifndef MR_STORE_INI_H
#define MR_STORE_INI_H

#include "base/arena.h"
#include "base/str.h"

/* The value of a key in a section; the last one counts when it is there more than once.
 * section  exact
 * key      in small letters; in the file its case does not matter
 * returns  false when there is none. Values that go on in the next, indented line end with their
 *          first. */
bool mr_ini_find(struct mr_str file, const char *section, const char *key, struct mr_str *out);

/* Whether there is such a section. */
bool mr_ini_has_section(struct mr_str file, const char *section);

/* Read a file of at most 1 MiB. *out is empty when there is none.
 * returns  MR_OK; MR_E_IO, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_ini_load(const char *path, struct mr_arena *arena, struct mr_str *out,
                                    struct mr_error *err);

#endif
