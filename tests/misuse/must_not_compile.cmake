# SPDX-License-Identifier: MIT
# Fails unless SOURCE does not compile and the compiler says all that its `// expected:` lines name.
#   cmake -D COMPILER= -D FLAGS= -D INCLUDES= -D SOURCE= -P must_not_compile.cmake
separate_arguments(FLAGS UNIX_COMMAND "${FLAGS}")
list(TRANSFORM INCLUDES PREPEND -I)
execute_process(
  COMMAND ${COMPILER} ${FLAGS} ${INCLUDES} -std=c++20 -fsyntax-only ${SOURCE}
  RESULT_VARIABLE result ERROR_VARIABLE said)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles")
endif()
file(STRINGS ${SOURCE} lines REGEX "^// expected: ")
if(NOT lines)
  message(FATAL_ERROR "${SOURCE} does not say what is expected")
endif()
foreach(line IN LISTS lines)
  string(REPLACE "// expected: " "" text "${line}")
  string(FIND "${said}" "${text}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "'${text}' is not in what the compiler says:\n${said}")
  endif()
endforeach()
