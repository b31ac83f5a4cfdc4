/*  =========================================================================
    commands - one constant for each command of the program

    This Source Code Form is subject to the terms of the Mozilla Public
    License, v. 2.0. If a copy of the MPL was not distributed with this
    file, You can obtain one at http://mozilla.org/MPL/2.0/.
    =========================================================================  */

#ifndef ZB_COMMANDS_H_INCLUDED
#define ZB_COMMANDS_H_INCLUDED

#include "tool.h"

extern const tool_command_t tool_serve;
extern const tool_command_t tool_put;
extern const tool_command_t tool_get;
extern const tool_command_t tool_peek;
extern const tool_command_t tool_queue;
extern const tool_command_t tool_topic;
extern const tool_command_t tool_sub;
extern const tool_command_t tool_read;
extern const tool_command_t tool_move;
extern const tool_command_t tool_status;
extern const tool_command_t tool_check;
extern const tool_command_t tool_events;
extern const tool_command_t tool_clients;
extern const tool_command_t tool_doctor;
extern const tool_command_t tool_demo;
extern const tool_command_t tool_bench;
extern const tool_command_t tool_switchover;
extern const tool_command_t tool_promote;
extern const tool_command_t tool_upgrade;
extern const tool_command_t tool_witness;
extern const tool_command_t tool_salvage;
extern const tool_command_t tool_adopt;
extern const tool_command_t tool_key;
extern const tool_command_t tool_login;
extern const tool_command_t tool_backup;
extern const tool_command_t tool_verify;
extern const tool_command_t tool_restore;
extern const tool_command_t tool_dump;
extern const tool_command_t tool_load;

#endif
