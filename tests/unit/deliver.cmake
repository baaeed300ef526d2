# Words, addresses, signatures; the thread and real receivers are tried by tests/system.
bl_unit_test(test_deliver LINK collector_deliver collector_outbox collector_control bl_clock bl_tz
  PkgConfig::SQLITE)
target_include_directories(test_deliver PRIVATE ${PROJECT_SOURCE_DIR}/collector/src/deliver)
