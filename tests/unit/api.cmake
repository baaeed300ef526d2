# Control database, fleet, sign-in and the HTTP API.
bl_unit_test(test_control LINK collector_control)
bl_unit_test(test_fleet LINK collector_fleet)
bl_unit_test(test_auth LINK collector_auth)
