# SPDX-License-Identifier: MIT
# Debian packages: `cpack -G DEB` makes one of the shared libraries and one of all that is needed to
# build programs with them; of a build of static libraries the second alone.
set(CPACK_PACKAGE_CONTACT "Tapestry contributors" CACHE STRING "Maintainer: Name <address>")
set(CPACK_PACKAGE_VENDOR "Tapestry contributors")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

# Its name holds the version that the names of the libraries hold, so that others can stand beside.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME
  libtapestry${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
"The shared libraries: reverse-mode automatic differentiation on a tape,
recurrent layers, optimizers and batches of text.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libtapestry-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"What is needed to build programs with Tapestry: headers, libraries, and files
for CMake (find_package) and pkg-config.")

# Public headers show xtensor's containers. Their layout may change from one 0.x to the next, so it
# must be the version that the libraries were compiled with.
string(REGEX MATCH "^([0-9]+)\\.([0-9]+)" xtensor_series ${xtensor_VERSION})
math(EXPR next_minor "${CMAKE_MATCH_2} + 1")
set(xtensor_after ${CMAKE_MATCH_1}.${next_minor}~)
set(development_depends
  "libxtensor-dev (>= ${xtensor_series})" "libxtensor-dev (<< ${xtensor_after})")
set(CPACK_COMPONENTS_ALL development)
if(BUILD_SHARED_LIBS)
  list(PREPEND CPACK_COMPONENTS_ALL runtime)
  set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS runtime)
  set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)  # on exactly this version
else()
  list(APPEND development_depends libopenblas-dev libzip-dev pkgconf)
endif()
list(JOIN development_depends ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS)

# Where Debian looks for licences; only packages hold these files.
foreach(component IN ITEMS RUNTIME DEVELOPMENT)
  string(TOLOWER ${component} name)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright
    DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${component}_PACKAGE_NAME}
    COMPONENT ${name} EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
