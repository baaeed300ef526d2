# Shell functions that quickstart and tests/run share: messages, packages, Node, builds.
# Sourced by bash with `set -u`; BL_ROOT is the source tree.  Nothing here changes the caller's folder.

BL_STEP_LOG=${BL_STEP_LOG:-/dev/null}

say() { printf '%s\n' "$@" >&2; }

# One clear line, then out.
die() {
	printf '%s: %s\n' "${BL_PROGRAM:-branchline}" "$*" >&2
	exit 1
}

# The process group of the step that runs; step_interrupted ends it and goes.
bl_step_pid= bl_step_log=

step_stop() {
	[ -n "$bl_step_pid" ] || return 0
	# A package manager that is cut off leaves half-installed packages: it may finish.
	if [ -n "${BL_STEP_FINISHES:-}" ]; then say "" "${BL_PROGRAM:-branchline}: waiting for the package manager to finish"
	else kill -TERM -- "-$bl_step_pid" 2>/dev/null; fi
	while kill -0 -- "-$bl_step_pid" 2>/dev/null; do sleep 0.1; done
	bl_step_pid=
	rm -f "$bl_step_log"
}

step_interrupted() {
	trap '' INT TERM HUP
	step_stop
	say "" "${BL_PROGRAM:-branchline}: stopped on request"
	exit 130
}
trap step_interrupted INT TERM HUP

# Sets the variable NAME to the hundredths of a second of CPU that this shell's ended children took.
bl_cpu() { # NAME
	local fields
	read -r -a fields <"/proc/$BASHPID/stat" 2>/dev/null || fields=()
	printf -v "$1" %d $((${fields[15]:-0} + ${fields[16]:-0}))
}

# step "what is done" command ...: shows progress while the command runs, its output goes to the
# step log; on failure shows the end of that output and returns its code.  BL_STEP_PLAIN: a line now and
# then also on a terminal, for steps beside each other.  BL_STEP_CPU: says the CPU time, too, which other work
# beside it makes no longer.
step() {
	local title=$1 start=$SECONDS log code=0 shown=0 before=0 after=0 took
	shift
	[ -z "${BL_STEP_CPU:-}" ] || bl_cpu before
	log=$(mktemp "${TMPDIR:-/tmp}/branchline-step.XXXXXX") || die "no temporary file could be made (disk full?)"
	bl_step_log=$log
	# A process group of its own, so that it can be ended whole; without the caller's locks.
	set -m
	"$@" >"$log" 2>&1 </dev/null 9>&- &
	bl_step_pid=$!
	set +m
	while kill -0 "$bl_step_pid" 2>/dev/null; do
		if [ -z "${BL_STEP_PLAIN:-}" ] && [ -t 2 ]; then
			printf '\r  ... %s (%d s)\033[K' "$title" $((SECONDS - start)) >&2
		elif [ $((SECONDS - start)) -ge $((shown + 20)) ]; then
			shown=$((SECONDS - start))
			say "  ... $title ($shown s)"
		fi
		# Waits for the job or half a second, whichever is first.
		if [ $((SECONDS - start)) -lt 2 ]; then sleep 0.1; else sleep 0.5; fi
	done
	wait "$bl_step_pid" || code=$?
	bl_step_pid=
	took="$((SECONDS - start)) s"
	if [ -n "${BL_STEP_CPU:-}" ]; then
		bl_cpu after
		took+=", CPU $(((after - before) / 100)) s"
	fi
	[ -z "${BL_STEP_PLAIN:-}" ] && [ -t 2 ] && printf '\r\033[K' >&2
	{ printf '== %s\n' "$title"; cat "$log"; } >>"$BL_STEP_LOG" 2>/dev/null
	if [ "$code" -eq 0 ]; then
		say "  ok  $title ($took)"
	else
		say "  FAILED  $title ($took)"
		tail -n "${BL_STEP_TAIL:-25}" "$log" | sed 's/^/      /' >&2
		if grep -qi 'no space left' "$log"; then say "      The disk is full."; fi
	fi
	rm -f "$log"
	return "$code"
}

# Runs a command as root: directly, or through sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo -- "$@"
	else
		echo "root is needed for: $*; run this as root or install sudo" >&2
		return 1
	fi
}

packages_missing() {
	local p
	for p in "$@"; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || printf '%s\n' "$p"
	done
}

apt_install() {
	as_root apt-get -o DPkg::Lock::Timeout=550 update &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=550 install -y \
			--no-install-recommends "$@"
}

# need_packages NAME ...: installs those that are missing; no network and no root when none are.
need_packages() {
	local missing
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null 2>&1 ||
		die "these packages are missing and this is no Debian system: $(echo $missing)"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null 2>&1 ||
			die "packages are missing ($(echo $missing)); run this as root, or install them and sudo"
		sudo -v || die "packages are missing ($(echo $missing)) and sudo refused"
	fi
	# shellcheck disable=SC2086
	BL_STEP_FINISHES=yes step "install $(echo "$missing" | wc -l) Debian packages" apt_install $missing ||
		die "the packages could not be installed; the reason stands above"
}

# unpack_program PACKAGE FILE DIR: DIR/$(basename FILE) out of a Debian package that is not installed: no service of
# it starts, and nothing that it depends on comes along.
unpack_program() {
	local package=$1 file=$2 dir=$3 work code=0
	work=$(mktemp -d) || return 1
	(
		cd "$work" || exit 1
		# apt gives up its rights to fetch, and may not enter a folder of root's: it says so and goes on.
		{ apt-get download "$package" || { as_root apt-get update && apt-get download "$package"; }; } &&
			dpkg-deb -x ./*.deb unpacked && mkdir -p "$dir" && cp "unpacked/$file" "$dir/"
	) || code=1
	rm -rf "$work"
	return "$code"
}

BL_BUILD_PACKAGES="gcc libc6-dev binutils cmake ninja-build pkg-config libpaho-mqtt-dev libmbedtls-dev
 libsqlite3-dev zlib1g-dev libyaml-dev libjansson-dev libmicrohttpd-dev libcurl4-gnutls-dev libargon2-dev"
BL_RUN_PACKAGES="mosquitto ca-certificates tzdata util-linux procps"
BL_DEMO_PACKAGES="python3 python3-aiosmtpd"
BL_TEST_PACKAGES="libcmocka-dev clang-14 libclang-rt-14-dev mosquitto-clients python3-aiosmtpd openssl libfaketime faketime
 iproute2 nftables python3 python3-pytest python3-pytest-xdist chromium fonts-noto-cjk curl sqlite3 netcat-openbsd socat strace gcc git
 python3-pymodbus python3-serial-asyncio dnsmasq-base systemd tinyproxy-bin groff-base sysstat logrotate monitoring-plugins-basic collectd-core libyajl2 php-cli"
BL_CROSS_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user-static"

node_new_enough() {
	"$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

# Makes `node` and `bl_npm` usable.  Debian 12's Node is older than the web build needs: then a
# pinned one is taken from the npm registry (a plain binary, no script is run).
need_node() {
	local dir=$1 arch
	if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && node_new_enough node; then
		BL_NPM=(npm)
		return 0
	fi
	if [ ! -x "$dir/node" ] || ! node_new_enough "$dir/node"; then
		need_packages nodejs npm
		case $(uname -m) in
		x86_64) arch=x64 ;;
		aarch64) arch=arm64 ;;
		*) die "no newer Node for $(uname -m); install Node 20.19 or later by hand" ;;
		esac
		mkdir -p "$dir" || die "cannot make $dir"
		cp "$BL_ROOT/provisioning/node/$arch/package.json" "$BL_ROOT/provisioning/node/$arch/package-lock.json" "$dir/" ||
			die "cannot write to $dir"
		step "fetch a newer Node for the web build" npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund ||
			die "Node could not be fetched; the reason stands above"
		ln -sf "node_modules/node-linux-$arch/bin/node" "$dir/node"
	fi
	PATH=$dir:$PATH
	# With the newer node: npm on Debian's own would skip native parts of the build tools.
	BL_NPM=("$dir/node" /usr/share/nodejs/npm/bin/npm-cli.js)
}

bl_npm() { "${BL_NPM[@]}" "$@"; }

# build_preset NAME [cmake -D options ...]: configures and builds build/NAME.
build_preset() {
	local preset=$1
	shift
	(cd "$BL_ROOT" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset")
}

# web_packages build|all: installs the web app's packages, with those for its tests or without, when
# the lock file changed since the last time or the tests' are wanted and missing.
web_packages() {
	local web=$BL_ROOT/collector/web all=$BL_ROOT/collector/web/node_modules/.branchline-all
	local built=$BL_ROOT/collector/web/node_modules/.branchline-build
	cmp -s "$web/package-lock.json" "$all" && return 0
	if [ "$1" = all ]; then
		(cd "$web" && bl_npm ci --no-audit --no-fund) && cp "$web/package-lock.json" "$all"
	else
		cmp -s "$web/package-lock.json" "$built" && return 0
		(cd "$web" && bl_npm ci --omit=dev --no-audit --no-fund) && cp "$web/package-lock.json" "$built"
	fi
}

# Builds the web app when a source is newer than what was built.
web_build() {
	local web=$BL_ROOT/collector/web
	if [ -f "$web/dist/index.html" ] &&
		[ -z "$(find "$web" -path "$web/node_modules" -prune -o -path "$web/dist" -prune -o -type f -newer "$web/dist/index.html" -print -quit)" ]; then
		return 0
	fi
	web_packages build && (cd "$web" && bl_npm run build)
}
