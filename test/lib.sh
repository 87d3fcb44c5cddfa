# Sourced by test/server and test/run: the build folder, the user, the builds.
#
# PostgreSQL refuses to run as root, and a checkout may lie where nobody but
# root can enter.  So nothing is built or tested in the checkout itself: each
# flavour (release; test, with stop points and the test clock) has a copy of
# the tree in the build folder, is compiled there and installed into a private
# copy of PostgreSQL.  Root makes the tree's copy and hands over to WF_USER.
#
#   $WF_BUILD/tree-<flavour>/  the tree and its objects
#   $WF_BUILD/pg-<flavour>/    the private PostgreSQL
#
# Settings: WF_BUILD, WF_USER (who runs it when root starts it), PG_CONFIG.
#
# Whatever takes long says so, on standard error, since some of the callers'
# output is read by programs.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
. "$top/test/pg.sh"
umask 022
export LC_ALL=C.UTF-8
# What a calling make was told is not meant for the makes below.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
# Nor are the user's own connection settings.
unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGPASSWORD PGSERVICE

die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

say() {
	echo "$*" >&"${say_fd:-2}"
}

as_user=()
if [ "$(id -u)" = 0 ]; then
	WF_USER=${WF_USER:-nobody}
	as_user=(setpriv --reuid="$(id -u "$WF_USER")"
		--regid="$(id -g "$WF_USER")" --clear-groups)
	# Root's own folder for temporary files may be closed to others.
	unset TMPDIR
	if [ -z "${WF_BUILD:-}" ] && ! "${as_user[@]}" test -x "$top"; then
		WF_BUILD=/tmp/workflow-$(cksum <<<"$top" | cut -d' ' -f1)
	fi
fi
WF_BUILD=$(realpath -m "${WF_BUILD:-$top/build}")
export WF_BUILD

# Creates the build folder, refuses one that is somebody else's, goes there
# (WF_USER may not be allowed to stand where root does), and waits for others
# who build there.  File descriptor 9 is the lock; no server may inherit it.
open_build_folder() {
	local user
	user=$("${as_user[@]}" id -un)
	if [ ! -e "$WF_BUILD" ]; then
		mkdir -p "$(dirname "$WF_BUILD")"
		mkdir "$WF_BUILD"
	fi
	if [ "$(id -u)" = 0 ] && [ -O "$WF_BUILD" ] && [ ! -L "$WF_BUILD" ]; then
		chown "$user" "$WF_BUILD"
	fi
	[ "$(stat -c %U "$WF_BUILD")" = "$user" ] ||
		die "$WF_BUILD is not the property of $user: remove it or set WF_BUILD"
	"${as_user[@]}" test -w "$WF_BUILD" ||
		die "$user cannot write to $WF_BUILD: set WF_BUILD to another folder"
	cd "$WF_BUILD"
	exec 9>lock
	flock -n 9 || { echo "waiting for another one in $WF_BUILD" >&2; flock 9; }
}

# Brings the copy of the tree up to date; objects stay, and make sees from the
# time stamps which of them are still good.
copy_tree() {
	local tree=$WF_BUILD/tree-$1 parts part
	parts=()
	for part in Makefile workflow.control META.json README.md CHANGELOG.md \
		LICENSE docs expected packaging sql src test; do
		[ ! -e "$top/$part" ] || parts+=("$part")
	done
	"${as_user[@]}" mkdir -p "$tree"
	"${as_user[@]}" find "$tree" -type f ! -name '*.[od]' -delete
	tar -C "$top" --exclude='*.[od]' --exclude='*.so' -cf - "${parts[@]}" |
		"${as_user[@]}" tar -C "$tree" -xf -
}

# Goes on with the calling script in the copy of the tree, as WF_USER.
enter_tree() {
	local flavour=$1 script
	choose_pg_config || exit 1
	script=$WF_BUILD/tree-$flavour/test/$(basename "$0")
	shift
	exec "${as_user[@]}" env HOME="$WF_BUILD" WF_INSIDE=1 "$script" "$@"
}

pg_config() {
	"$PG_CONFIG" "$@"
}

# PostgreSQL's programs find their files relative to themselves.  A copy of
# the programs with links to everything else, in the same layout, is a whole
# installation, into which make install DESTDIR=... puts the extension.
private_pg() {
	local flavour=$1 pg=$WF_BUILD/pg-$1 bindir dir origin
	bindir=$(pg_config --bindir)
	origin="$(pg_config --version) $(stat -c '%n %y' "$bindir/postgres")"
	[ "$(cat "$pg/origin" 2>/dev/null)" != "$origin" ] || return 0

	rm -rf "$pg"
	find "$WF_BUILD/tree-$flavour" -name '*.o' -delete
	for dir in "$(pg_config --pkglibdir)" "$(pg_config --sharedir)"; do
		mkdir -p "$(dirname "$pg$dir")"
		cp -rs "$dir" "$pg$dir"
		find "$pg$dir" -name 'workflow[.-]*' -delete
	done
	mkdir -p "$(dirname "$pg$bindir")"
	cp -r "$bindir" "$pg$bindir"
	echo "$origin" >"$pg/origin"
}

private_bindir() {
	echo "$WF_BUILD/pg-$1$(pg_config --bindir)"
}

# Tells every 10 s how far the compiler has come, until it is ended.
tell_compiled() {
	local sources=$1 n
	for ((n = 1; ; n++)); do
		sleep 1
		((n % 10)) ||
			say "compiled $(find src -name '*.o' -newer compiling | wc -l)" \
				"of $sources files"
	done
}

# build FLAVOUR: compiles without a warning and installs privately.
build() (
	flavour=$1 test_build= rc=0
	[ "$flavour" != test ] || test_build=1
	private_pg "$flavour" || exit
	cd "$WF_BUILD/tree-$flavour" || exit
	set -- make --no-print-directory PG_CONFIG="$PG_CONFIG" COPT=-Werror \
		WF_TEST_BUILD=$test_build DESTDIR="$WF_BUILD/pg-$flavour"
	sources=$("$@" -n all 2>/dev/null | grep -c '\.c$' || true)
	if [ "$sources" != 0 ]; then
		say "compiling $sources files for $(pg_config --version), $flavour build"
		touch compiling
		tell_compiled "$sources" 9>&- &
		teller=$!
		"$@" -s -j"$(nproc)" all || rc=$?
		kill "$teller" 2>/dev/null || true
		wait "$teller" 2>/dev/null || true
		[ $rc = 0 ] || exit $rc
	fi
	"$@" -s install
)
