# Cases from step events.
foreach(name test_cases test_cases_read)
  bl_unit_test(${name} NOMEM SOURCES unit/cases_kit.c LINK test_control_kit collector_cases collector_control collector_define collector_roster
  bl_expr bl_log PkgConfig::SQLITE)
endforeach()
