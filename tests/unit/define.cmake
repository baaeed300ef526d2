# What people define, and who was in service where.
bl_unit_test(test_roster LINK collector_roster collector_control PkgConfig::SQLITE)
target_link_options(test_roster PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
bl_unit_test(test_define LINK collector_define collector_control bl_json PkgConfig::SQLITE
  Threads::Threads)
target_link_options(test_define PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=strdup)
# White box: checks of addresses, URLs and secrets.
target_include_directories(test_define PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/../../collector/src/define)
