# SPDX-License-Identifier: MIT
# Builds and runs the consumer by a command line, with what pkg-config says of the installed PREFIX:
# c++ -std=c++20 consumer.cpp $(pkg-config --cflags --libs tapestry)
#   cmake -D COMPILER= -D FLAGS= -D PREFIX= -D SOURCE= -D WORK= -P pkg_config.cmake
file(GLOB_RECURSE pc_file ${PREFIX}/*/tapestry.pc)
cmake_path(GET pc_file PARENT_PATH folder)
set(ENV{PKG_CONFIG_PATH} ${folder}:$ENV{PKG_CONFIG_PATH})
find_program(PKG_CONFIG NAMES pkg-config pkgconf REQUIRED)

# ask(variable argument...): what pkg-config answers, as a list.
function(ask variable)
  execute_process(COMMAND ${PKG_CONFIG} ${ARGN} tapestry
    OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(answer UNIX_COMMAND "${answer}")
  set(${variable} ${answer} PARENT_SCOPE)
endfunction()
ask(cflags --cflags)
ask(libs --libs)
ask(all_libs --libs --static)
ask(libdir --variable=libdir)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
separate_arguments(FLAGS UNIX_COMMAND "${FLAGS}")
execute_process(
  COMMAND ${COMPILER} ${FLAGS} -std=c++20 -c ${SOURCE} -o consumer.o ${cflags}
  WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
foreach(link IN ITEMS libs all_libs)
  execute_process(
    COMMAND ${COMPILER} ${FLAGS} consumer.o -o ${link} ${${link}} -Wl,-rpath,${libdir}
    WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ./${link} WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
