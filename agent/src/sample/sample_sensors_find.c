/*
 * Which sensors there are: hwmon chips, thermal zones, power supplies.
 *
 * The kernel numbers chips in the order in which their drivers came, so the
 * number is no name.  A sensor is called after its chip, the device that the
 * chip belongs to and what the driver calls it ("nvme/nvme0/Composite"),
 * which stay the same from boot to boot.  A thermal zone keeps its number: two
 * may be of one type, and nothing else tells them apart.
 *
 * A folder with more than 64 of them is read in part; that is counted.
 */
#include "sample_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HWMON   "/sys/class/hwmon"
#define THERMAL "/sys/class/thermal"
#define SUPPLY  "/sys/class/power_supply"

struct finder {
	const char *root;
	struct sample_sensors_found *found;
};

/* The text of root/folder/name/file. */
static bool
attribute(const struct finder *f, const char *folder, const char *name, const char *file,
    char text[SAMPLE_ENTRY_MAX])
{
	char path[1024];
	const int n = snprintf(path, sizeof(path), "%s%s/%s/%s", f->root, folder, name, file);

	return n > 0 && (size_t)n < sizeof(path) && sample_text_read(path, text, SAMPLE_ENTRY_MAX);
}

static void
add(const struct finder *f, enum sample_sensor_kind kind, const char *label, const char *folder,
    const char *name, const char *file)
{
	char path[256];
	const int n = snprintf(path, sizeof(path), "%s/%s/%s", folder, name, file);

	if (n > 0 && (size_t)n < sizeof(path))
		f->found->each(f->found->ctx, kind, label, path);
}

static bool
entries(const struct finder *f, const char *folder, const char *name,
    bool (*wanted)(const char *name), struct sample_entries *e)
{
	char path[1024];
	const int n = snprintf(path, sizeof(path), "%s%s/%s", f->root, folder, name);

	if (n < 0 || (size_t)n >= sizeof(path) || !sample_entries_read(path, wanted, e))
		return false;
	f->found->left_out += e->left_out;
	return true;
}

/* ---- hwmon ---- */

static const struct {
	const char *pattern;
	enum sample_sensor_kind kind;
} hwmon_file[] = {
	{ "temp*_input", SENSOR_TEMPERATURE },
	{ "fan*_input", SENSOR_FAN },
	{ "power*_input", SENSOR_POWER },
	{ "power*_average", SENSOR_POWER },
};

/* A chip may have some two hundred files (nct6775), most of them limits and alarms. */
static bool
is_reading(const char *file)
{
	for (size_t k = 0; k < sizeof(hwmon_file) / sizeof(hwmon_file[0]); k++)
		if (sample_glob(hwmon_file[k].pattern, file))
			return true;
	return false;
}

/* The last part of where the link `device` leads, or "". */
static void
device_of(const struct finder *f, const char *chip, char device[SAMPLE_ENTRY_MAX])
{
	char path[1024];
	char to[512];
	const char *base;
	const int n = snprintf(path, sizeof(path), "%s" HWMON "/%s/device", f->root, chip);
	ssize_t len;

	device[0] = '\0';
	if (n < 0 || (size_t)n >= sizeof(path) || (len = readlink(path, to, sizeof(to) - 1)) <= 0)
		return;
	to[len] = '\0';
	base = strrchr(to, '/');
	base = base != NULL ? base + 1 : to;
	if (strlen(base) < SAMPLE_ENTRY_MAX)
		memcpy(device, base, strlen(base) + 1);
}

static void
hwmon_sensor(const struct finder *f, const char *chip, const char *prefix, const char *file,
    enum sample_sensor_kind kind)
{
	const size_t stem = strcspn(file, "_");
	char label_file[SAMPLE_ENTRY_MAX + 8];
	char own[SAMPLE_ENTRY_MAX];
	char label[4 * SAMPLE_ENTRY_MAX];

	/* Of a meter that tells both, what it is now. */
	if (strcmp(file + stem, "_average") == 0) {
		(void)snprintf(label_file, sizeof(label_file), "%.*s_input", (int)stem, file);
		if (attribute(f, HWMON, chip, label_file, own))
			return;
	}
	(void)snprintf(label_file, sizeof(label_file), "%.*s_label", (int)stem, file);
	if (!attribute(f, HWMON, chip, label_file, own))
		(void)snprintf(own, sizeof(own), "%.*s", (int)stem, file);
	(void)snprintf(label, sizeof(label), "%s/%s", prefix, own);
	add(f, kind, label, HWMON, chip, file);
}

static void
hwmon_chip(const struct finder *f, const char *chip)
{
	struct sample_entries e;
	char name[SAMPLE_ENTRY_MAX];
	char device[SAMPLE_ENTRY_MAX];
	char prefix[2 * SAMPLE_ENTRY_MAX];

	device_of(f, chip, device);
	/* A thermal zone shows up here again; it is read as a zone. */
	if (strncmp(device, "thermal_zone", 12) == 0 || !entries(f, HWMON, chip, is_reading, &e))
		return;
	if (!attribute(f, HWMON, chip, "name", name))
		(void)snprintf(name, sizeof(name), "%s", chip);
	if (device[0] == '\0' || strcmp(device, name) == 0)
		(void)snprintf(prefix, sizeof(prefix), "%s", name);
	else
		(void)snprintf(prefix, sizeof(prefix), "%s/%s", name, device);
	for (unsigned i = 0; i < e.n; i++)
		for (size_t k = 0; k < sizeof(hwmon_file) / sizeof(hwmon_file[0]); k++)
			if (sample_glob(hwmon_file[k].pattern, e.name[i]))
				hwmon_sensor(f, chip, prefix, e.name[i], hwmon_file[k].kind);
}

/* ---- zones and supplies ---- */

/* Not a cooling device: there is one for each CPU. */
static bool
is_zone(const char *name)
{
	return strncmp(name, "thermal_zone", 12) == 0;
}

static void
zone(const struct finder *f, const char *name)
{
	char type[SAMPLE_ENTRY_MAX];
	char label[3 * SAMPLE_ENTRY_MAX];

	if (!attribute(f, THERMAL, name, "type", type))
		type[0] = '\0';
	(void)snprintf(label, sizeof(label), "%s%s%s", name, type[0] != '\0' ? "/" : "", type);
	add(f, SENSOR_TEMPERATURE, label, THERMAL, name, "temp");
}

static void
supply(const struct finder *f, const char *name)
{
	char text[SAMPLE_ENTRY_MAX];

	/* The battery of a mouse says nothing about this machine. */
	if (attribute(f, SUPPLY, name, "scope", text) && strcmp(text, "Device") == 0)
		return;
	if (!attribute(f, SUPPLY, name, "type", text))
		return;
	if (strcmp(text, "Battery") != 0 && strcmp(text, "UPS") != 0) {
		if (attribute(f, SUPPLY, name, "online", text))
			add(f, SENSOR_ONLINE, name, SUPPLY, name, "online");
		return;
	}
	if (attribute(f, SUPPLY, name, "capacity", text))
		add(f, SENSOR_CHARGE, name, SUPPLY, name, "capacity");
	if (attribute(f, SUPPLY, name, "power_now", text))
		add(f, SENSOR_BATTERY_POWER, name, SUPPLY, name, "power_now");
	if (attribute(f, SUPPLY, name, "status", text))
		add(f, SENSOR_DISCHARGING, name, SUPPLY, name, "status");
}

void
sample_sensors_find(const char *root, struct sample_sensors_found *found)
{
	const struct finder f = { root, found };
	struct sample_entries e;

	found->left_out = 0;
	if (entries(&f, HWMON, "", NULL, &e))
		for (unsigned i = 0; i < e.n; i++)
			hwmon_chip(&f, e.name[i]);
	if (entries(&f, THERMAL, "", is_zone, &e))
		for (unsigned i = 0; i < e.n; i++)
			zone(&f, e.name[i]);
	if (entries(&f, SUPPLY, "", NULL, &e))
		for (unsigned i = 0; i < e.n; i++)
			supply(&f, e.name[i]);
}
