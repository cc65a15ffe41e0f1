# SPDX-License-Identifier: MIT
# cmake -D PROGRAM=... -D "ARGUMENTS=a;b" -D EXPECTED=file -P compare_output.cmake
# Runs a program, which must succeed and print what is in the file.
execute_process(COMMAND "${PROGRAM}" ${ARGUMENTS} OUTPUT_VARIABLE printed RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with ${result} after printing\n${printed}")
endif()
file(READ "${EXPECTED}" expected)
string(REPLACE "\r\n" "\n" printed "${printed}")

# Takes the first line off the text in the variable `text`.
function(next_line text line)
  string(FIND "${${text}}" "\n" end)
  if(end EQUAL -1)
    set(first "${${text}} (ends here)")
    set(rest "")
  else()
    string(SUBSTRING "${${text}}" 0 ${end} first)
    math(EXPR end "${end} + 1")
    string(SUBSTRING "${${text}}" ${end} -1 rest)
  endif()
  set(${text} "${rest}" PARENT_SCOPE)
  set(${line} "${first}" PARENT_SCOPE)
endfunction()

set(number 0)
while(NOT printed STREQUAL expected)
  math(EXPR number "${number} + 1")
  next_line(printed printed_line)
  next_line(expected expected_line)
  if(NOT printed_line STREQUAL expected_line)
    message(FATAL_ERROR
      "${EXPECTED}:${number}\n  expected: ${expected_line}\n  printed:  ${printed_line}")
  endif()
endwhile()
