# SPDX-License-Identifier: MIT
# Follows docs/add_an_op.md on a copy of the sources: puts each code block where the comment before
# it says, builds the test of the ops and runs it.
#   cmake -DSOURCE=<repository> -DWORK=<folder> [-DLAUNCHER=<compiler cache>] [-DPRECOMPILE=ON] -P add_an_op.cmake
cmake_minimum_required(VERSION 3.25)

set(copy ${WORK}/tapestry)
file(REMOVE_RECURSE ${copy})
foreach(part CMakeLists.txt cmake include autodiff layers optim data tests)
  file(COPY ${SOURCE}/${part} DESTINATION ${copy})
endforeach()

file(READ ${SOURCE}/docs/add_an_op.md text)
set(inserted 0)
while(TRUE)
  string(FIND "${text}" "<!-- insert " start)
  if(start EQUAL -1)
    break()
  endif()
  string(SUBSTRING "${text}" ${start} -1 text)
  if(NOT text MATCHES "^<!-- insert ([^ ]+) before \"([^\n]*)\" -->\n```cpp\n")
    message(FATAL_ERROR "not an insertion:\n${text}")
  endif()
  set(file ${copy}/${CMAKE_MATCH_1})
  string(REPLACE "\\\"" "\"" anchor "${CMAKE_MATCH_2}")
  string(REPLACE "\\n" "\n" anchor "${anchor}")
  string(LENGTH "${CMAKE_MATCH_0}" skip)
  string(SUBSTRING "${text}" ${skip} -1 text)
  string(FIND "${text}" "```" end)
  string(SUBSTRING "${text}" 0 ${end} block)

  file(READ ${file} content)
  string(FIND "${content}" "${anchor}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${file} has no line '${anchor}'")
  endif()
  string(SUBSTRING "${content}" 0 ${at} before)
  string(SUBSTRING "${content}" ${at} -1 after)
  file(WRITE ${file} "${before}${block}${after}")
  math(EXPR inserted "${inserted} + 1")
endwhile()
if(inserted LESS 4)
  message(FATAL_ERROR "only ${inserted} code blocks found")
endif()

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(result)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()

run(${CMAKE_COMMAND} -S ${copy} -B ${WORK}/build -G Ninja -DCMAKE_BUILD_TYPE=Debug
    -DTAPESTRY_BUILD_EXAMPLES=OFF -DTAPESTRY_BUILD_BENCHMARKS=OFF
    -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DTAPESTRY_PRECOMPILE=${PRECOMPILE})
run(${CMAKE_COMMAND} --build ${WORK}/build --target ops_test)
run(${WORK}/build/tests/ops_test)
