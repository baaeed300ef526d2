# What test_api.py and test_evaluation_api.py talk to.
add_executable(api_server contract/api_server.c contract/api_evaluation.c)
target_link_libraries(api_server PRIVATE
  collector_api collector_store collector_control collector_incident collector_outbox bl_codec
  bl_log bl_window m PkgConfig::SQLITE bl_options bl_sanitize)
