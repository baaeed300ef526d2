# Cases from step events.
bl_unit_test(test_cases LINK collector_cases collector_control collector_define collector_roster
  bl_expr bl_log PkgConfig::SQLITE)
target_link_options(test_cases PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
  -Wl,--wrap=strdup)
