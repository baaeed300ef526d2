bl_unit_test(test_shim_vfs LINK test_shim PkgConfig::SQLITE)
