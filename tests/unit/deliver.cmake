# Words, addresses, signatures; the thread and real receivers are tried by tests/system.
bl_unit_test(test_deliver LINK collector_deliver bl_tz)
target_include_directories(test_deliver PRIVATE ${PROJECT_SOURCE_DIR}/collector/src/deliver)
