# What evaluates without I/O: time zones, sketches, windows, rules.
bl_unit_test(test_tz LINK bl_tz)
target_include_directories(test_tz PRIVATE ${PROJECT_SOURCE_DIR}/shared/tz)
bl_unit_test(test_sketch LINK bl_sketch m)
bl_unit_test(test_sum LINK bl_window m)
target_include_directories(test_sum PRIVATE ${PROJECT_SOURCE_DIR}/shared/window)
bl_unit_test(test_part LINK bl_window m)
bl_unit_test(test_window LINK bl_window)
target_include_directories(test_window PRIVATE ${PROJECT_SOURCE_DIR}/shared/tz)
bl_unit_test(test_rule LINK bl_rule PkgConfig::JANSSON)
bl_unit_test(test_pure_nomem LINK bl_window)
target_link_options(test_pure_nomem PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
