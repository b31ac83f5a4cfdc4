/*  =========================================================================
    position - where in a log something begins, as clients say it

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include "core/wire/position.h"

bool zb_position_parse (zb_position_t *self, zb_frame_t text)
{
    *self = (zb_position_t){.how = ZB_AT_NEW};
    if (zb_frame_is (text, "new"))
        return true;
    self->how = ZB_AT_FIRST;
    if (zb_frame_is (text, "first"))
        return true;
    bool time = text.size && *(const char *) text.data == '@';
    self->how = time ? ZB_AT_TIME : ZB_AT_ID;
    if (time)
        return zb_number_parse (zb_frame_part (text, 1, text.size), INT64_MAX, &self->number);
    return zb_number_parse (text, UINT64_MAX, &self->number) && self->number > 0;
}
