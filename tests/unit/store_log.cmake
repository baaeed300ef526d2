# The telemetry store as a log.
bl_unit_test(test_store_log SOURCES contract/store_fixture.c LINK collector_store bl_codec bl_log m)
target_include_directories(test_store_log PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/contract)
target_link_options(test_store_log PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
  -Wl,--wrap=strdup)
