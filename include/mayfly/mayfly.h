/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_MAYFLY_H
#define MAYFLY_MAYFLY_H

/**
 * @file
 * Everything but the cmocka fixture, which is <mayfly/cmocka.h>.
 */

#include <mayfly/build.h>
#include <mayfly/container.h>
#include <mayfly/error.h>
#include <mayfly/exec.h>
#include <mayfly/file.h>
#include <mayfly/image.h>
#include <mayfly/inspect.h>
#include <mayfly/life.h>
#include <mayfly/link.h>
#include <mayfly/log.h>
#include <mayfly/network.h>
#include <mayfly/pending.h>
#include <mayfly/port.h>
#include <mayfly/share.h>
#include <mayfly/snapshot.h>
#include <mayfly/store.h>
#include <mayfly/trust.h>
#include <mayfly/wait.h>

#endif
