# SPDX-License-Identifier: MIT
# What is installed, in two components: runtime, the shared libraries that programs need to run, and
# development, all that is needed to build such programs.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tapestry)

get_property(targets GLOBAL PROPERTY TAPESTRY_TARGETS)
install(TARGETS ${targets} EXPORT TapestryTargets
  RUNTIME COMPONENT runtime
  LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
  ARCHIVE COMPONENT development
  FILE_SET HEADERS COMPONENT development)
install(EXPORT TapestryTargets
  NAMESPACE tapestry:: DESTINATION ${package_dir} COMPONENT development)

set(components ${targets})
list(TRANSFORM components REPLACE "^tapestry_" "")
list(JOIN components " " components)
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/TapestryConfig.cmake.in
  ${PROJECT_BINARY_DIR}/TapestryConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/TapestryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/TapestryConfig.cmake
  ${PROJECT_BINARY_DIR}/TapestryConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT licence)

# For pkg-config. Paths are relative to the file, as the prefix is not known before it is installed.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR
  BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir} OUTPUT_VARIABLE pc_libdir)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR
  BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir} OUTPUT_VARIABLE pc_includedir)

# Static libraries leave the linking of what they need to the program, with --static or without, as
# nobody can link to them otherwise. A shared libzip is named itself: --static would ask for what it
# was linked to, whose development packages need not be there.
set(pc_requires xtensor)
set(pc_libs "")
if(NOT BUILD_SHARED_LIBS)
  set(zip "")
  if(libzip_LINK_LIBRARIES MATCHES "\\.a$")
    set(pc_requires "xtensor, libzip")
  else()
    set(zip ${libzip_LINK_LIBRARIES})
  endif()
  foreach(library IN LISTS zip LAPACK_LIBRARIES BLAS_LIBRARIES CMAKE_THREAD_LIBS_INIT)
    if(library MATCHES "::")  # vcpkg lists Threads::Threads here
      continue()
    endif()
    cmake_path(GET library PARENT_PATH folder)
    if(folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
      cmake_path(GET library STEM library)
      string(REGEX REPLACE "^lib" "-l" library ${library})
    endif()
    list(APPEND pc_libs ${library})
  endforeach()
  list(REMOVE_DUPLICATES pc_libs)
  list(JOIN pc_libs " " pc_libs)
endif()

configure_file(${CMAKE_CURRENT_LIST_DIR}/tapestry.pc.in ${PROJECT_BINARY_DIR}/tapestry.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tapestry.pc
  DESTINATION ${pkgconfig_dir} COMPONENT development)
