# SPDX-License-Identifier: MIT
# Runs the commands of README.md that make a model of the reader's own text, with a short text.
#   cmake -DREADME=<file> -DWORK=<folder> -DPROGRAMS=<folder of char_rnn> -P readme_commands.cmake
cmake_minimum_required(VERSION 3.25)

file(READ ${README} text)
string(FIND "${text}" "\nchar_rnn train" start)
if(start EQUAL -1)
  message(FATAL_ERROR "README.md has no command char_rnn train")
endif()
string(SUBSTRING "${text}" ${start} -1 text)
string(FIND "${text}" "\n```" end)
string(SUBSTRING "${text}" 0 ${end} commands)

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
file(COPY_FILE ${README} ${WORK}/my_text.txt)
file(WRITE ${WORK}/commands.sh "${commands}\n")
execute_process(COMMAND ${CMAKE_COMMAND} -E env "PATH=${PROGRAMS}:$ENV{PATH}" bash -eu commands.sh
                WORKING_DIRECTORY ${WORK} RESULT_VARIABLE result)
if(result)
  message(FATAL_ERROR "failed: ${commands}")
endif()
foreach(file run/best.safetensors run/loss.svg cells.html graph.svg)
  if(NOT EXISTS ${WORK}/${file})
    message(FATAL_ERROR "the commands made no ${file}")
  endif()
endforeach()
