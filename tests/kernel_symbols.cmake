# SPDX-License-Identifier: MIT
# cmake -D NM=nm -D OBJECTS=a.o;b.o -P kernel_symbols.cmake
#
# Object files for another architecture must not define what the linker could share with the rest of
# the program: it might choose the copy with instructions that the machine does not have. Nor may they
# run anything at the start of a program.
set(checked 0)
foreach(object IN LISTS OBJECTS)
  if(object MATCHES "_avx2\\.cpp\\.")
    set(own "avx2|Architecture\\)1|DW\\.ref")
  elseif(object MATCHES "_avx512[a-z_]*\\.cpp\\.")
    set(own "avx512|Architecture\\)2|DW\\.ref")
  else()
    continue()
  endif()
  math(EXPR checked "${checked} + 1")
  execute_process(COMMAND ${NM} -C ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" shared "${symbols}")
  foreach(symbol IN LISTS shared)
    if(NOT symbol MATCHES "${own}")
      message(SEND_ERROR "${object} defines ${symbol}")
    endif()
  endforeach()
  if(symbols MATCHES "_GLOBAL__sub_I[^\n]*")
    message(SEND_ERROR "${object} runs ${CMAKE_MATCH_0} at the start of a program")
  endif()
endforeach()
if(checked EQUAL 0)
  message(FATAL_ERROR "no object file is for another architecture")
endif()
