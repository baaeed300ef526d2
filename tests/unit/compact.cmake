# Closed hours and the parts that they go into.
foreach(name test_compact test_compact_fault test_store_age)
  bl_unit_test(${name} SOURCES unit/compact_kit.c contract/store_fixture.c
    LINK collector_compact collector_store collector_parts collector_chunk bl_codec bl_buf bl_log
      bl_fault test_shim PkgConfig::SQLITE m)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
endforeach()
