# Control database, fleet, sign-in and the HTTP API.
bl_unit_test(test_control LINK test_shim collector_control PkgConfig::SQLITE Threads::Threads)
bl_unit_test(test_fleet LINK test_control_kit collector_fleet)
bl_unit_test(test_auth LINK collector_auth)
# White box: tables and pure parts of the API.
foreach(name test_api_routes test_api_input test_api_static test_api_stream)
  bl_unit_test(${name}
    LINK collector_api collector_auth collector_define collector_fleet collector_store
      PkgConfig::JANSSON)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/../../collector/src/api)
endforeach()
