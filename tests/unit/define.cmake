# What people define, and who was in service where.
bl_unit_test(test_roster NOMEM LINK test_control_kit collector_roster collector_control PkgConfig::SQLITE)
function(bl_define_test name)
  bl_unit_test(${name} ${ARGN} SOURCES unit/define_kit.c
    LINK test_control_kit collector_define collector_control bl_json PkgConfig::SQLITE
      Threads::Threads)
  # White box: checks of addresses, URLs and secrets.
  target_include_directories(${name} PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR}/../collector/src/define)
endfunction()
bl_define_test(test_define)
bl_define_test(test_define_change NOMEM)
