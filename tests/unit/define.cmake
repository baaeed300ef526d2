# What people define, and who was in service where.
bl_unit_test(test_roster NOMEM LINK test_control_kit collector_roster collector_control PkgConfig::SQLITE)
bl_unit_test(test_define NOMEM LINK test_control_kit collector_define collector_control bl_json PkgConfig::SQLITE
  Threads::Threads)
# White box: checks of addresses, URLs and secrets.
target_include_directories(test_define PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/../../collector/src/define)
