# The collector with a decoder that dies of some words, for tests/system/test_poison.py.
add_executable(poison_collector ${PROJECT_SOURCE_DIR}/collector/src/main.c
  ${CMAKE_CURRENT_SOURCE_DIR}/system/poison_decoder.c)
target_include_directories(poison_collector PRIVATE ${PROJECT_SOURCE_DIR}/collector/src)
target_link_libraries(poison_collector PRIVATE collector_core bl_codec bl_options bl_sanitize)
target_link_options(poison_collector PRIVATE -Wl,--wrap=bl_batch_verify)
bl_unit_test(test_ingest_bombs SOURCES unit/ingest_kit.c contract/store_fixture.c
  LINK collector_ingest bl_log PkgConfig::SQLITE ZLIB::ZLIB m)
target_include_directories(test_ingest_bombs PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
