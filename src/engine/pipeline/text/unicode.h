/* What Python's str and `re` make of Unicode text: \w, \s, str.lower().
 *
 * Pythons 3.9 to 3.14 have Unicode 13.0 to 16.0. Where they do not agree on a code point the text
 * is not sure, and none of the other functions may be asked about it. Texts are well-formed UTF-8.
 */
#ifndef MR_ENGINE_PIPELINE_TEXT_UNICODE_H
#define MR_ENGINE_PIPELINE_TEXT_UNICODE_H

#include "base/str.h"

/* Makes the tables that all the others read. Before any of them; threads: any. */
void mr_text_unicode_prepare(void);

/* Whether all Pythons read the text alike, and it has no lone surrogates. */
bool mr_text_is_sure(struct mr_str text);

/* \w without re.ASCII: str.isalnum() or "_". */
bool mr_text_is_word(unsigned code_point);

/* \s without re.ASCII: str.isspace(). */
bool mr_text_is_space(unsigned code_point);

/* Room that the lower case of `size` bytes needs at most. */
static inline size_t mr_text_lower_room(size_t size) {
    return size + size / 2;
}

/* str.lower() into `out`; returns its size. */
size_t mr_text_lower(struct mr_str text, char *out);

#endif
