/* SPDX-License-Identifier: MIT */
#ifndef CMOCKA_VERSIONS_H
#define CMOCKA_VERSIONS_H

/* What cmocka's versions call differently, under the newest name. cmocka 1.1.5 to 2 compile the tests. Include this after
 * <cmocka.h> or <mayfly/cmocka.h>. */

#ifndef assert_uint_in_range /* before cmocka 2, which deprecates assert_in_range() */
#define assert_uint_in_range(value, minimum, maximum) assert_in_range(value, minimum, maximum)
#endif

#endif
