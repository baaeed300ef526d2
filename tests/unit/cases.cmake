# Cases from step events.
bl_unit_test(test_cases NOMEM LINK test_control_kit collector_cases collector_control collector_define collector_roster
  bl_expr bl_log PkgConfig::SQLITE)
