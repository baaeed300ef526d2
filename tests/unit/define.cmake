# What people define, and who was in service where.
bl_unit_test(test_roster LINK collector_roster collector_control PkgConfig::SQLITE)
target_link_options(test_roster PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
