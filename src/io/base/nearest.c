/*  =========================================================================
    nearest - the known word that an unknown one was probably meant to be

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <string.h>

#include "io/base/nearest.h"

#define WORD_MAX 63

static size_t s_least (size_t one, size_t other)
{
    return one < other ? one : other;
}

size_t zb_nearest_distance (const char *one, const char *other)
{
    size_t rows = strnlen (one, WORD_MAX), columns = strnlen (other, WORD_MAX);
    size_t cost[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t row = 0; row <= rows; row++)
        cost[row][0] = row;
    for (size_t column = 0; column <= columns; column++)
        cost[0][column] = column;
    for (size_t row = 1; row <= rows; row++)
        for (size_t column = 1; column <= columns; column++) {
            size_t best = cost[row - 1][column - 1] + (one[row - 1] != other[column - 1]);
            best = s_least (best, cost[row - 1][column] + 1);
            best = s_least (best, cost[row][column - 1] + 1);
            if (row > 1 && column > 1 && one[row - 1] == other[column - 2] && one[row - 2] == other[column - 1])
                best = s_least (best, cost[row - 2][column - 2] + 1);
            cost[row][column] = best;
        }
    return cost[rows][columns];
}

const char *zb_nearest (const char *word, const char *const *known, size_t size)
{
    const char *nearest = NULL;
    size_t least = 0;
    for (size_t index = 0; index < size; index++) {
        size_t distance = zb_nearest_distance (word, known[index]);
        if (!nearest || distance < least) {
            nearest = known[index];
            least = distance;
        }
    }
    return nearest;
}

bool zb_nearest_is_near (const char *word, const char *known)
{
    return 2 * zb_nearest_distance (word, known) < strnlen (word, WORD_MAX);
}
