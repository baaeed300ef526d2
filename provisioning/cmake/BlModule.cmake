# bl_module(NAME SOURCES a.c b.c [LINK lib ...] [LINK_PRIVATE lib ...])
#
# One folder, one static library.  Public headers live in include/ of the
# folder; whatever else lies there (`*_internal.h`) is seen by its own sources
# only.  A module sees the headers of what it links and no others, so an
# include that points the wrong way does not build.
function(bl_module name)
  cmake_parse_arguments(M "" "" "SOURCES;LINK;LINK_PRIVATE" ${ARGN})
  add_library(${name} STATIC ${M_SOURCES})
  target_include_directories(${name}
    PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name}
    PUBLIC ${M_LINK}
    PRIVATE ${M_LINK_PRIVATE} bl_options bl_sanitize)
  set_property(GLOBAL APPEND PROPERTY BL_MODULES ${name})
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/include/*.h)
  set_property(TARGET ${name} PROPERTY BL_PUBLIC_HEADERS ${headers})
endfunction()

# bl_program(NAME SOURCES ... [LINK ...]): an executable that is installed.
function(bl_program name)
  cmake_parse_arguments(P "" "DESTINATION" "SOURCES;LINK" ${ARGN})
  if(NOT P_DESTINATION)
    set(P_DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
  add_executable(${name} ${P_SOURCES})
  target_link_libraries(${name} PRIVATE ${P_LINK} bl_options bl_sanitize)
  install(TARGETS ${name} RUNTIME DESTINATION ${P_DESTINATION})
endfunction()
