# For the crate cmake where it builds for the build machine: without a file CMake would take CC, which is the target's.
set(CMAKE_C_COMPILER [=[{host-cc}]=])
set(CMAKE_CXX_COMPILER [=[{host-cxx}]=])
set(CMAKE_ASM_COMPILER [=[{host-cc}]=])
set(CMAKE_AR [=[{host-ar}]=])
set(CMAKE_RANLIB [=[{host-ranlib}]=])
set(ENV{PKG_CONFIG_LIBDIR} [=[{host-pkg-config-libdir}]=])
