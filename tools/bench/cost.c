/*  =========================================================================
    bench_cost - what a load costs the brokers: CPU, memory, log

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#include <czmq.h>
#include <glob.h>
#include <sys/stat.h>

#include "io/base/config.h"
#include "tools/bench/cost.h"

//  Opens a file of the broker's folder in /proc.
static FILE *s_open (const pair_t *pair, size_t index, const char *what)
{
    char name[64];
    snprintf (name, sizeof name, "/proc/%d/%s", (int) pair_pid (pair, index), what);
    return fopen (name, "r");
}

static double s_cpu (const pair_t *pair, size_t index)
{
    char text[1024] = "";
    FILE *file = s_open (pair, index, "stat");
    if (!file)
        return 0;
    //  User and system time are the fields 14 and 15; the second one, the name, ends with the last ')'.
    unsigned long user = 0, system = 0;
    const char *rest = fgets (text, sizeof text, file) ? strrchr (text, ')') : NULL;
    if (!rest || sscanf (rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        user = system = 0;
    fclose (file);
    return (double) (user + system) / (double) sysconf (_SC_CLK_TCK);
}

//  The number behind `name` and a colon, 0 if there is none.
static double s_field (const pair_t *pair, size_t index, const char *what, const char *name)
{
    char line[256];
    double value = 0;
    FILE *file = s_open (pair, index, what);
    while (file && fgets (line, sizeof line, file))
        if (strncmp (line, name, strlen (name)) == 0 && line[strlen (name)] == ':')
            value = strtod (line + strlen (name) + 1, NULL);
    if (file)
        fclose (file);
    return value;
}

//  Log files have numbers; each but the newest is full, and old ones are removed.  A file has its full size from the
//  start, but takes place on the disk only as it is written.
static double s_log (const pair_t *pair, size_t index)
{
    char pattern[PATH_MAX];
    snprintf (pattern, sizeof pattern, "%s/%s/env.*/log.*", pair_folder (pair), pair_role (pair, index));
    glob_t found;
    if (glob (pattern, 0, NULL, &found))
        return 0;
    zb_config_t *config = zb_config_new ();
    double most = 0;
    for (size_t which = 0; which < found.gl_pathc; which++) {
        const char *name = found.gl_pathv[which];
        struct stat file;
        double number = strtod (strrchr (name, '.') + 1, NULL);
        if (stat (name, &file) == 0 && number >= 1) {
            double end = (number - 1) * (double) config->log_file + (double) file.st_blocks * 512;
            most = end > most ? end : most;
        }
    }
    zb_config_destroy (&config);
    globfree (&found);
    return most;
}

bench_cost_t bench_cost (const pair_t *pair, size_t index)
{
    const double kb = 1024;
    return (bench_cost_t){.cpu = s_cpu (pair, index),
                          .rss = s_field (pair, index, "status", "VmRSS") * kb,
                          .hwm = s_field (pair, index, "status", "VmHWM") * kb,
                          .log = s_log (pair, index),
                          .written = s_field (pair, index, "io", "write_bytes")};
}
