// SPDX-License-Identifier: MIT
// For which scalar types the library exists, and how a file says which of its templates are
// compiled for them: by name, once, after their definitions, in their namespace or one around it.
//
//   TAPESTRY_INSTANTIATE(exp, log, detail::sum_to)      functions that are not overloaded
//   TAPESTRY_INSTANTIATE_AS((Variable<T>(const Variable<T>&, Number<T>)), pow, operator+)
//                                                       of overloaded ones, those of this type
//   TAPESTRY_INSTANTIATE_MEMBERS(Tape, watch, clear)    members of a class that has several files
//   TAPESTRY_INSTANTIATE_TYPES(class Tape, struct Key)  classes, with all members defined so far
//   TAPESTRY_EXTERN_TYPES(class Tape, struct Key)       in a header: they are compiled elsewhere
#pragma once

// Here, and nowhere else, is said what the scalar types are.
#define TAPESTRY_SCALARS(what, ...) what(float, __VA_ARGS__) what(double, __VA_ARGS__)

#define TAPESTRY_INSTANTIATE(...) TAPESTRY_EACH(TAPESTRY_FUNCTION, , __VA_ARGS__)
#define TAPESTRY_INSTANTIATE_AS(type, ...) TAPESTRY_NUMBERED(__COUNTER__, type, __VA_ARGS__)
#define TAPESTRY_INSTANTIATE_MEMBERS(of, ...) TAPESTRY_EACH(TAPESTRY_MEMBER, of, __VA_ARGS__)
#define TAPESTRY_INSTANTIATE_TYPES(...) TAPESTRY_EACH(TAPESTRY_TYPE, template, __VA_ARGS__)
#define TAPESTRY_EXTERN_TYPES(...) TAPESTRY_EACH(TAPESTRY_TYPE, extern template, __VA_ARGS__)

#define TAPESTRY_FUNCTION(T, unused, name) template decltype(name<T>) name<T>;
#define TAPESTRY_OVERLOAD(T, type, name) template type<T> name<T>;
#define TAPESTRY_MEMBER(T, of, name) \
  template ::tapestry::detail::MemberType<decltype(&of<T>::name)>::type of<T>::name;
#define TAPESTRY_TYPE(T, how, name) how name<T>;

// A type that is written with T gets a name, and a number: several files may be compiled as one.
#define TAPESTRY_NUMBERED(number, type, ...) TAPESTRY_NAMED(number, type, __VA_ARGS__)
#define TAPESTRY_NAMED(number, type, ...)      \
  template <class T>                           \
  using Overload##number = TAPESTRY_BARE type; \
  TAPESTRY_EACH(TAPESTRY_OVERLOAD, Overload##number, __VA_ARGS__)
#define TAPESTRY_BARE(...) __VA_ARGS__

// TAPESTRY_EACH(what, with, name...) is `what(T, with, name)` for each name and scalar type. A
// macro does not expand itself, so each scan of the text expands one more; there are 27.
#define TAPESTRY_EACH(what, with, ...) TAPESTRY_SCAN(TAPESTRY_STEP(what, with, __VA_ARGS__))
#define TAPESTRY_STEP(what, with, name, ...) \
  TAPESTRY_SCALARS(what, with, name)         \
  __VA_OPT__(TAPESTRY_LATER TAPESTRY_NOTHING()()(what, with, __VA_ARGS__))
#define TAPESTRY_LATER() TAPESTRY_STEP
#define TAPESTRY_NOTHING()
#define TAPESTRY_SCAN(...) TAPESTRY_SCAN9(TAPESTRY_SCAN9(TAPESTRY_SCAN9(__VA_ARGS__)))
#define TAPESTRY_SCAN9(...) TAPESTRY_SCAN3(TAPESTRY_SCAN3(TAPESTRY_SCAN3(__VA_ARGS__)))
#define TAPESTRY_SCAN3(...) TAPESTRY_SCAN1(TAPESTRY_SCAN1(TAPESTRY_SCAN1(__VA_ARGS__)))
#define TAPESTRY_SCAN1(...) __VA_ARGS__

namespace tapestry::detail {

/// `R(Args...) const` of a pointer to a member function.
template <class Pointer>
struct MemberType;
template <class Member, class Class>
struct MemberType<Member Class::*> {
  using type = Member;
};

}  // namespace tapestry::detail
