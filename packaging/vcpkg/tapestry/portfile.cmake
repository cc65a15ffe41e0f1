# SPDX-License-Identifier: MIT
# Builds the sources that this port lies in.
set(SOURCE_PATH "${CURRENT_PORT_DIR}/../../..")

vcpkg_find_acquire_program(PKGCONFIG)
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DTAPESTRY_BUILD_TESTS=OFF
    -DTAPESTRY_BUILD_EXAMPLES=OFF
    -DTAPESTRY_BUILD_BENCHMARKS=OFF
    -DTAPESTRY_PRECOMPILE=ON
    "-DPKG_CONFIG_EXECUTABLE=${PKGCONFIG}")
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/Tapestry)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE
  "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share"
  "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
