# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tapestry)

get_property(targets GLOBAL PROPERTY TAPESTRY_TARGETS)
install(TARGETS ${targets} EXPORT TapestryTargets FILE_SET HEADERS)
install(EXPORT TapestryTargets NAMESPACE tapestry:: DESTINATION ${package_dir})

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/TapestryConfig.cmake.in
  ${PROJECT_BINARY_DIR}/TapestryConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/TapestryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/TapestryConfig.cmake
  ${PROJECT_BINARY_DIR}/TapestryConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
