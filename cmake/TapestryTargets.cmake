# SPDX-License-Identifier: MIT
# How a component, and every program of ours, becomes a target.

# Our own warnings, for our own targets only.
function(tapestry_warnings target)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 $<$<BOOL:${TAPESTRY_WERROR}>:/WX>)
  else()
    target_compile_options(${target} PRIVATE
      -Wall -Wextra -Wpedantic $<$<BOOL:${TAPESTRY_WERROR}>:-Werror>)
    # GCC 12 sees overlapping copies in `"text" + string`, and copies beyond the end where the
    # standard library comes out of a precompiled header (its bug 105651, mended in GCC 13).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${target} PRIVATE 
        -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
    endif()
  endif()
endfunction()

# The headers of all components, once for the build, the installation and the check that each of them
# compiles alone: all below include/ but, of those in a folder detail/, only what these include. What
# else is in detail/, our components share with each other; programs do not see it.
function(tapestry_public_headers)
  get_property(targets GLOBAL PROPERTY TAPESTRY_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folder ${target} SOURCE_DIR)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS
      RELATIVE ${folder}/include ${folder}/include/*.hpp)
    foreach(header IN LISTS headers)
      set(target_of_${header} ${target})
    endforeach()
    list(FILTER headers EXCLUDE REGEX "/detail/")
    list(APPEND todo ${headers})
  endforeach()

  while(todo)
    list(POP_FRONT todo header)
    list(APPEND done ${header})
    set(target ${target_of_${header}})
    get_target_property(include ${target} SOURCE_DIR)
    string(APPEND include /include)
    get_target_property(type ${target} TYPE)
    set(scope PUBLIC)
    if(type STREQUAL INTERFACE_LIBRARY)
      set(scope INTERFACE)
    endif()
    target_sources(${target} ${scope}
      FILE_SET HEADERS BASE_DIRS ${include} FILES ${include}/${header})
    file(STRINGS ${include}/${header} details REGEX "^#include \"tapestry/.*/detail/")
    list(TRANSFORM details REPLACE "^#include \"([^\"]*)\".*" "\\1")
    list(REMOVE_ITEM details ${done} "")
    list(APPEND todo ${details})
    list(REMOVE_DUPLICATES todo)
  endwhile()
endfunction()

# What all components are compiled with. No file contracts a * b + c by itself: a loop and its
# remainder must round alike. No caller looks at errno, and a square root that may set it is not
# vectorised.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-ffp-contract=off TAPESTRY_HAS_FP_CONTRACT)
function(_tapestry_component_options target)
  if(TAPESTRY_HAS_FP_CONTRACT)
    target_compile_options(${target} PRIVATE -ffp-contract=off -fno-math-errno)
  endif()
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  tapestry_warnings(${target})
endfunction()

# Kernels of one component. Files *_avx2.cpp may use AVX2 and FMA, *_avx512*.cpp AVX-512 too; the
# program asks the processor before it calls what they hold.
set(TAPESTRY_AVX2_KERNELS OFF)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$"
   AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  set(TAPESTRY_AVX2_KERNELS ON)
endif()
function(_tapestry_kernels target)
  if(TAPESTRY_AVX2_KERNELS)
    target_compile_definitions(${target} PRIVATE TAPESTRY_AVX2_KERNELS)
    file(GLOB_RECURSE avx2_sources CONFIGURE_DEPENDS src/*_avx2.cpp)
    set_source_files_properties(${avx2_sources} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
    file(GLOB_RECURSE avx512_sources CONFIGURE_DEPENDS src/*_avx512*.cpp)
    set(avx512_options -mavx2 -mfma -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl)
    # GCC 12 takes the undefined values of its own intrinsics for a mistake (its bug 105593).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      list(APPEND avx512_options -Wno-uninitialized -Wno-maybe-uninitialized)
    endif()
    set_source_files_properties(${avx512_sources} PROPERTIES COMPILE_OPTIONS "${avx512_options}")
    set_source_files_properties(${avx2_sources} ${avx512_sources} PROPERTIES
      SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endfunction()

# tapestry_precompile(target as options header...): the target reads xtensor and the standard
# library, which take most files longer than all else, and the headers named, from the precompiled
# header `as`. The first call makes it, compiled as the function `options` says: all that share it
# must be compiled alike.
function(tapestry_precompile target as options)
  if(NOT TAPESTRY_PRECOMPILE)
    return()
  endif()
  if(NOT TARGET ${as})
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${as}.cpp CONTENT "")
    add_library(${as} OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/${as}.cpp)
    target_compile_features(${as} PRIVATE cxx_std_20)
    target_include_directories(${as} PRIVATE ${PROJECT_SOURCE_DIR}/autodiff/include)
    target_link_libraries(${as} PRIVATE xtensor)
    cmake_language(CALL ${options} ${as})
    target_precompile_headers(${as} PRIVATE
      <algorithm> <array> <cmath> <functional> <map> <memory> <optional> <span> <sstream> <string>
      <unordered_map> <vector> <tapestry/autodiff/array.hpp> ${ARGN})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${as})
endfunction()

# tapestry_add_component(name [WITHOUT_XTENSOR]): the library tapestry_<name>, known as
# tapestry::<name>, from the folder's src/ and include/. Add what it links with
# target_link_libraries. A component without xtensor gains nothing from the precompiled header.
function(tapestry_add_component name)
  cmake_parse_arguments(PARSE_ARGV 1 component "WITHOUT_XTENSOR" "" "")
  set(target tapestry_${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/*.cpp src/*.hpp)
  add_library(${target} ${sources})
  add_library(tapestry::${name} ALIAS ${target})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PRIVATE src)
  _tapestry_component_options(${target})
  _tapestry_kernels(${target})
  if(NOT component_WITHOUT_XTENSOR)
    tapestry_precompile(${target} tapestry_component_header _tapestry_component_options)
  endif()
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    INSTALL_RPATH "$ORIGIN")
  set_property(GLOBAL APPEND PROPERTY TAPESTRY_TARGETS ${target})
endfunction()

# tapestry_compile_together(name): the component's files are compiled four at a time where
# TAPESTRY_UNITY asks for it. Their unnamed namespaces must not clash.
function(tapestry_compile_together name)
  set_target_properties(tapestry_${name} PROPERTIES
    UNITY_BUILD ${TAPESTRY_UNITY} UNITY_BUILD_BATCH_SIZE 4)
endfunction()

# tapestry_add_headers(name): the same without sources.
function(tapestry_add_headers name)
  set(target tapestry_${name})
  add_library(${target} INTERFACE)
  add_library(tapestry::${name} ALIAS ${target})
  target_compile_features(${target} INTERFACE cxx_std_20)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY TAPESTRY_TARGETS ${target})
endfunction()

function(_tapestry_link_components target scope)
  if(NOT ARGN)
    set(ARGN tapestry)
  endif()
  list(TRANSFORM ARGN PREPEND tapestry:: OUTPUT_VARIABLE components)
  target_link_libraries(${target} ${scope} ${components})
endfunction()

# What all programs but benchmarks are compiled with: their time is that of the libraries.
function(tapestry_program_options target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU,Clang>:$<IF:$<BOOL:${TAPESTRY_QUICK_PROGRAMS}>,-O0,-O1>>)
  tapestry_warnings(${target})
endfunction()

# tapestry_add_program(target source... [COMPONENTS name...]): a program that uses these components,
# by default all. One that is compiled otherwise than the others must set
# DISABLE_PRECOMPILE_HEADERS.
function(tapestry_add_program target)
  cmake_parse_arguments(PARSE_ARGV 1 program "" "" COMPONENTS)
  add_executable(${target} ${program_UNPARSED_ARGUMENTS})
  _tapestry_link_components(${target} PRIVATE ${program_COMPONENTS})
  tapestry_program_options(${target})
  tapestry_precompile(${target} tapestry_program_header tapestry_program_options)
endfunction()

# tapestry_add_program_library(target source... [COMPONENTS name...]): what several programs share,
# compiled like them.
function(tapestry_add_program_library target)
  cmake_parse_arguments(PARSE_ARGV 1 library "" "" COMPONENTS)
  add_library(${target} STATIC ${library_UNPARSED_ARGUMENTS})
  _tapestry_link_components(${target} PUBLIC ${library_COMPONENTS})
  tapestry_program_options(${target})
  tapestry_precompile(${target} tapestry_program_header tapestry_program_options)
endfunction()

# tapestry_add_benchmark(target source...): likewise, but optimised as the libraries are.
function(tapestry_add_benchmark target)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE tapestry::tapestry)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  tapestry_warnings(${target})
endfunction()

# tapestry_add_test(name target label argument...): runs the program `target`, in a folder of its
# own, as the test `name`.
function(tapestry_add_test name target label)
  set(run_dir ${CMAKE_CURRENT_BINARY_DIR}/run/${target})
  file(MAKE_DIRECTORY ${run_dir})
  add_test(NAME ${name} COMMAND ${target} ${ARGN} WORKING_DIRECTORY ${run_dir})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 300)
endfunction()
