/* Rows of the catalogue: temperature, fans, power. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_sensors[] = {
	{ "temperature_celsius", BL_GAUGE, "celsius",
	    "Temperature that the sensor shows",
	    "传感器显示的温度" },
	{ "fan_rpm", BL_GAUGE, "rpm",
	    "Speed of the fan",
	    "风扇转速" },
	{ "power_watts", BL_GAUGE, "watt",
	    "Power that the meter shows",
	    "功率计显示的功率" },
	{ "battery_charge_pct", BL_GAUGE, "pct",
	    "Charge of the battery",
	    "电池电量" },
	{ "battery_power_watts", BL_GAUGE, "watt",
	    "Power that goes into the battery or out of it",
	    "电池充电或放电的功率" },
	{ "battery_discharging", BL_GAUGE, "1",
	    "1: the machine runs on the battery, 0: it does not",
	    "1：正在使用电池供电，0：没有" },
	{ "power_online", BL_GAUGE, "1",
	    "1: the supply has power, 0: it has none",
	    "1：电源有电，0：没有电" },
	{ "sensors_skipped", BL_GAUGE, "1",
	    "Sensors beyond the configured cap, which are not sampled",
	    "超出配置上限而未采集的传感器数" },
	{ 0 },
};
/* clang-format on */
