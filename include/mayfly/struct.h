/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_STRUCT_H
#define MAYFLY_STRUCT_H

#include <stddef.h>

/**
 * @file
 * How mayfly's structs grow, and how C++ writes them.
 *
 * Every public struct begins with its size. Later releases only add fields at the end, so a program and a library that
 * were built with different headers understand each other:
 *
 * - A struct that a program makes starts from its MAYFLY_..._INIT, which sets the size. The library gives the default
 *   to every field that it knows and the program does not. A field that the library does not know must be zero;
 *   otherwise the call fails with -EINVAL, and the message says that the library is too old.
 * - A struct that a program makes and the library fills also starts from its MAYFLY_..._INIT. The library fills the
 *   fields that both know, and sets the others to zero.
 * - A struct that the library makes tells the size that the library knows. MAYFLY_HAS() says whether a field is there.
 *   A pointer in it is NULL when there is nothing to point to.
 * - The library returns several structs as a list of pointers that ends with NULL. A program gives several structs as
 *   an array: a first element of which only the size is set, the entries, and a last element that is all zero.
 *   MAYFLY_VOLUMES() writes the first and the last element.
 *
 * A size that no release ever had is an error: -EINVAL.
 */

/** Non-zero when `*pointer`, which the library has made, has the field: `MAYFLY_HAS(pin, user_id)`. */
#define MAYFLY_HAS(pointer, field) \
        ((size_t) ((const char *) (&(pointer)->field + 1) - (const char *) (pointer)) <= (pointer)->size)

/* What all MAYFLY_..._INIT are: the size is set, and the rest is zero. */
#ifndef __cplusplus
#define MAYFLY_INIT_(type)           \
        {                            \
                .size = sizeof(type) \
        }
#define MAYFLY_STRINGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#else
#define MAYFLY_INIT_(type) mayfly_init_<type>()

extern "C++" {

template <typename Struct> inline Struct mayfly_init_()
{
        Struct value = Struct();

        value.size = sizeof(Struct);
        return value;
}

template <typename Element, typename Place, size_t n>
inline const Element *mayfly_keep_(Place, const Element (&list)[n])
{
        static thread_local Element kept[n];

        for (size_t i = 0; i < n; i++)
                kept[i] = list[i];
        return kept;
}
}

/*
 * C++11 has neither designated initializers nor compound literals, but MAYFLY_SPEC(.image = "...") is to be written as
 * in C. So each argument becomes an assignment, `spec_ .image = "...";`, to a variable that lives about as long as a
 * compound literal: until the same expression is evaluated again in the same thread. At most 32 fields at once.
 */
#define MAYFLY_MAKE_(type, variable, ...)          \
        ([&]() -> const type * {                   \
                static thread_local type variable; \
                variable = mayfly_init_<type>();   \
                MAYFLY_SET_(variable, __VA_ARGS__) \
                return &variable;                  \
        }())
/* A name that no other expansion has, so that one may be an argument of another. */
#define MAYFLY_UNIQUE_(name) MAYFLY_JOIN_(name, __COUNTER__)
#define MAYFLY_JOIN_(name, number) MAYFLY_JOINED_(name, number)
#define MAYFLY_JOINED_(name, number) name##number
/* A list with its header and its end, and a list of strings. They live as long as MAYFLY_MAKE_()'s variables: the lambda, of
 * which each expansion has its own type, makes the function's variable another. */
#define MAYFLY_KEEP_(type, ...) mayfly_keep_<type>([] {}, { mayfly_init_<type>(), __VA_ARGS__, type() })
#define MAYFLY_STRINGS(...) mayfly_keep_<const char *>([] {}, { __VA_ARGS__, nullptr })
#define MAYFLY_SET_(v, ...)                                                                                         \
        MAYFLY_NTH_(__VA_ARGS__, MAYFLY_SET_32_, MAYFLY_SET_31_, MAYFLY_SET_30_, MAYFLY_SET_29_, MAYFLY_SET_28_,    \
                    MAYFLY_SET_27_, MAYFLY_SET_26_, MAYFLY_SET_25_, MAYFLY_SET_24_, MAYFLY_SET_23_, MAYFLY_SET_22_, \
                    MAYFLY_SET_21_, MAYFLY_SET_20_, MAYFLY_SET_19_, MAYFLY_SET_18_, MAYFLY_SET_17_, MAYFLY_SET_16_, \
                    MAYFLY_SET_15_, MAYFLY_SET_14_, MAYFLY_SET_13_, MAYFLY_SET_12_, MAYFLY_SET_11_, MAYFLY_SET_10_, \
                    MAYFLY_SET_9_, MAYFLY_SET_8_, MAYFLY_SET_7_, MAYFLY_SET_6_, MAYFLY_SET_5_, MAYFLY_SET_4_,       \
                    MAYFLY_SET_3_, MAYFLY_SET_2_, MAYFLY_SET_1_, 0)                                                 \
        (v, __VA_ARGS__)
#define MAYFLY_NTH_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, \
                    a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, nth, ...)                                \
        nth
/* clang-format off */
#define MAYFLY_SET_1_(v, field) v field;
#define MAYFLY_SET_2_(v, field, ...) v field; MAYFLY_SET_1_(v, __VA_ARGS__)
#define MAYFLY_SET_3_(v, field, ...) v field; MAYFLY_SET_2_(v, __VA_ARGS__)
#define MAYFLY_SET_4_(v, field, ...) v field; MAYFLY_SET_3_(v, __VA_ARGS__)
#define MAYFLY_SET_5_(v, field, ...) v field; MAYFLY_SET_4_(v, __VA_ARGS__)
#define MAYFLY_SET_6_(v, field, ...) v field; MAYFLY_SET_5_(v, __VA_ARGS__)
#define MAYFLY_SET_7_(v, field, ...) v field; MAYFLY_SET_6_(v, __VA_ARGS__)
#define MAYFLY_SET_8_(v, field, ...) v field; MAYFLY_SET_7_(v, __VA_ARGS__)
#define MAYFLY_SET_9_(v, field, ...) v field; MAYFLY_SET_8_(v, __VA_ARGS__)
#define MAYFLY_SET_10_(v, field, ...) v field; MAYFLY_SET_9_(v, __VA_ARGS__)
#define MAYFLY_SET_11_(v, field, ...) v field; MAYFLY_SET_10_(v, __VA_ARGS__)
#define MAYFLY_SET_12_(v, field, ...) v field; MAYFLY_SET_11_(v, __VA_ARGS__)
#define MAYFLY_SET_13_(v, field, ...) v field; MAYFLY_SET_12_(v, __VA_ARGS__)
#define MAYFLY_SET_14_(v, field, ...) v field; MAYFLY_SET_13_(v, __VA_ARGS__)
#define MAYFLY_SET_15_(v, field, ...) v field; MAYFLY_SET_14_(v, __VA_ARGS__)
#define MAYFLY_SET_16_(v, field, ...) v field; MAYFLY_SET_15_(v, __VA_ARGS__)
#define MAYFLY_SET_17_(v, field, ...) v field; MAYFLY_SET_16_(v, __VA_ARGS__)
#define MAYFLY_SET_18_(v, field, ...) v field; MAYFLY_SET_17_(v, __VA_ARGS__)
#define MAYFLY_SET_19_(v, field, ...) v field; MAYFLY_SET_18_(v, __VA_ARGS__)
#define MAYFLY_SET_20_(v, field, ...) v field; MAYFLY_SET_19_(v, __VA_ARGS__)
#define MAYFLY_SET_21_(v, field, ...) v field; MAYFLY_SET_20_(v, __VA_ARGS__)
#define MAYFLY_SET_22_(v, field, ...) v field; MAYFLY_SET_21_(v, __VA_ARGS__)
#define MAYFLY_SET_23_(v, field, ...) v field; MAYFLY_SET_22_(v, __VA_ARGS__)
#define MAYFLY_SET_24_(v, field, ...) v field; MAYFLY_SET_23_(v, __VA_ARGS__)
#define MAYFLY_SET_25_(v, field, ...) v field; MAYFLY_SET_24_(v, __VA_ARGS__)
#define MAYFLY_SET_26_(v, field, ...) v field; MAYFLY_SET_25_(v, __VA_ARGS__)
#define MAYFLY_SET_27_(v, field, ...) v field; MAYFLY_SET_26_(v, __VA_ARGS__)
#define MAYFLY_SET_28_(v, field, ...) v field; MAYFLY_SET_27_(v, __VA_ARGS__)
#define MAYFLY_SET_29_(v, field, ...) v field; MAYFLY_SET_28_(v, __VA_ARGS__)
#define MAYFLY_SET_30_(v, field, ...) v field; MAYFLY_SET_29_(v, __VA_ARGS__)
#define MAYFLY_SET_31_(v, field, ...) v field; MAYFLY_SET_30_(v, __VA_ARGS__)
#define MAYFLY_SET_32_(v, field, ...) v field; MAYFLY_SET_31_(v, __VA_ARGS__)
/* clang-format on */
#endif

#endif
