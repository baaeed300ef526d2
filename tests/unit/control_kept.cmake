# What connections of the control database keep.
bl_unit_test(test_control_kept LINK collector_control PkgConfig::SQLITE)
