/*  =========================================================================
    files - the page's files, in the program

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================

    The assembler reads them when this file is compiled, from the folder page.
*/

#include <string.h>

#include "io/http/files.h"

#define FILE_OF(symbol, name)                                                                           \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" ZB_PAGE_FOLDER name "\"\n" #symbol "_end:\n.byte 0\n.popsection\n"); \
    extern const char symbol[] __attribute__ ((visibility ("hidden")));                                 \
    extern const char symbol##_end[] __attribute__ ((visibility ("hidden")))

FILE_OF (zb_page_html, "index.html");
FILE_OF (zb_page_css, "page.css");
FILE_OF (zb_page_js, "page.js");
FILE_OF (zb_page_icon, "icon.svg");

static const zb_file_t s_files[] = {
    {"/", "text/html; charset=utf-8", zb_page_html, zb_page_html_end},
    {"/page.css", "text/css; charset=utf-8", zb_page_css, zb_page_css_end},
    {"/page.js", "text/javascript; charset=utf-8", zb_page_js, zb_page_js_end},
    {"/icon.svg", "image/svg+xml", zb_page_icon, zb_page_icon_end},
};

const zb_file_t *zb_file_find (const char *path)
{
    for (size_t index = 0; index < sizeof s_files / sizeof *s_files; index++)
        if (strcmp (s_files[index].path, path) == 0)
            return &s_files[index];
    return NULL;
}
