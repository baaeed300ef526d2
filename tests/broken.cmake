# The five builds that are broken on purpose (BL_BROKEN), without building everything anew: only
# the sources with the wrong line are compiled again, and stand before the libraries, so that the
# linker never takes the right ones.

# bl_broken_source(NAME MODULE file ...): the object library broken_NAME.
function(bl_broken_source name module)
  string(MAKE_C_IDENTIFIER "BL_BROKEN_${name}" id)
  string(TOUPPER "${id}" id)
  add_library(broken_${name} OBJECT)
  get_target_property(folder ${module} SOURCE_DIR)
  foreach(file IN LISTS ARGN)
    if(NOT IS_ABSOLUTE ${file})
      set(file ${folder}/${file})
    endif()
    target_sources(broken_${name} PRIVATE ${file})
    get_filename_component(folder_of ${file} DIRECTORY)
    target_include_directories(broken_${name} PRIVATE ${folder_of})
  endforeach()
  target_compile_definitions(broken_${name} PRIVATE ${id})
  target_link_libraries(broken_${name} PRIVATE ${module} bl_fault PkgConfig::SQLITE ZLIB::ZLIB bl_options bl_sanitize)
endfunction()

bl_broken_source(receipt-before-commit collector_ingest ingest_core.c)
bl_broken_source(sync-off agent_spool spool_db.c)
bl_broken_source(dedupe-by-time collector_store store_batch.c)
bl_broken_source(dedupe-without-checksum collector_store store_batch.c)
bl_broken_source(delete-on-puback agent_spool spool_offer.c
  ${PROJECT_SOURCE_DIR}/agent/src/uplink/uplink_send.c)
target_link_libraries(broken_delete-on-puback PRIVATE uplink)

# bl_broken(TARGET NAME OUT): the executable OUT, which is TARGET with NAME broken.  TARGET's own
# objects are used again.  After TARGET's last target_link_libraries.
function(bl_broken target name out)
  # Objects among its sources (kits.cmake) are none of those that it compiled itself.
  get_target_property(kits ${target} SOURCES)
  list(FILTER kits INCLUDE REGEX "TARGET_OBJECTS:kit_")
  add_executable(${out} $<TARGET_OBJECTS:${target}> ${kits} $<TARGET_OBJECTS:broken_${name}>)
  set_target_properties(${out} PROPERTIES LINKER_LANGUAGE C)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  target_link_libraries(${out} PRIVATE ${libraries})
  get_target_property(options ${target} LINK_OPTIONS)
  if(options)
    target_link_options(${out} PRIVATE ${options})
  endif()
endfunction()

# bl_caught(NAME TARGET SAYS [ARGS ...]): TARGET with NAME broken must fail, and say why (a regular
# expression).  That TARGET passes when it is whole is a test of its own.
function(bl_caught name target says)
  cmake_parse_arguments(C "" "" "ARGS" ${ARGN})
  bl_broken(${target} ${name} ${target}_${name})
  set(test caught_${name}_by_${target})
  add_test(NAME ${test} COMMAND ${target}_${name} ${C_ARGS})
  set_tests_properties(${test} PROPERTIES TIMEOUT 300 PASS_REGULAR_EXPRESSION "${says}")
endfunction()
